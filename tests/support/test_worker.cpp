#include "hotmic/provider.hpp"
#include "support/fake_provider.hpp"
#include "worker/worker_main.hpp"

int main() {
    auto providers = hotmic::builtin_providers().all();
    providers.push_back(hotmic::testing::make_fake_provider());
    return hotmic::worker::worker_main(hotmic::ProviderRegistry(std::move(providers)));
}
