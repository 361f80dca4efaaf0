/// hotmic-faults: the hotmic program with one provider more, the fake one.
#include "cli/cli.hpp"
#include "support/fake_provider.hpp"

int main(int argc, char** argv) {
    auto providers = hotmic::builtin_providers().all();
    providers.push_back(hotmic::testing::make_fake_provider());
    return hotmic::cli::run(argc, argv, hotmic::ProviderRegistry(std::move(providers)));
}
