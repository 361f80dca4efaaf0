#include "cli/cli.hpp"

#include "hotmic/provider.hpp"

int main(int argc, char** argv) {
    return hotmic::cli::run(argc, argv, hotmic::builtin_providers());
}
