#include "cli/cli.hpp"

int main(int argc, char** argv) {
    return hotmic::cli::run(argc, argv, hotmic::builtin_providers());
}
