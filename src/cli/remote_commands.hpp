/// The commands that ask a running server, in the program's grammar: models, status, load, unload, swap.
#pragma once

#include <functional>
#include <string>

#include "cli/admin_client.hpp"
#include "cli/commands.hpp"

namespace CLI {
class App;
}

namespace hotmic::cli {

/// Holds what their flags are set to, so it outlives the parsing.
class RemoteCommands {
public:
    /// Adds a command to the grammar: its name, what it does, examples, and what runs when it was given.
    using AddCommand = std::function<CLI::App&(const char* name, const char* what, const std::string& examples,
                                               std::function<int()> action)>;

    void add_to(const AddCommand& command);

private:
    void add_models(const AddCommand& command);
    void add_status(const AddCommand& command);
    void add_load_and_unload(const AddCommand& command);
    void add_swap(const AddCommand& command);
    void add_job_flags(CLI::App& command);
    void add_admin_flags(CLI::App& command);
    void add_json(CLI::App& command);

    AdminFlags admin_{};
    SwapFlags swap_{};
    bool watch_ = false;
    bool ready_ = false;
    bool json_ = false;
};

}  // namespace hotmic::cli
