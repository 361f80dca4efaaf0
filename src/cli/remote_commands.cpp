#include "cli/remote_commands.hpp"

#include <CLI/CLI.hpp>

#include <vector>

#include "cli/commands.hpp"
#include "cli/flags.hpp"

namespace hotmic::cli {

void RemoteCommands::add_to(const AddCommand& command) {
    add_models(command);
    add_status(command);
    add_load_and_unload(command);
    add_swap(command);
}

void RemoteCommands::add_models(const AddCommand& command) {
    auto& models_command = command("models", "List the models of a running server",
                                   "  hotmic models\n"
                                   "  hotmic models --server http://10.0.0.5:8090 --json\n",
                                   [this] { return models(admin_, json_); });
    add_json(models_command);
    add_admin_flags(models_command);
}

void RemoteCommands::add_status(const AddCommand& command) {
    auto& status_command = command("status", "Show what a running server's models do",
                                   "  hotmic status\n"
                                   "  hotmic status --watch\n"
                                   "  hotmic status --watch --server http://10.0.0.5:8090 >> events.log\n"
                                   "  hotmic status --ready && echo requests are served\n",
                                   [this] { return ready_ ? readiness(admin_) : status(admin_, watch_); });
    status_command.add_flag("-w,--watch", watch_,
                            "Go on until interrupted: drawn anew on a terminal, else an event a line");
    status_command
        .add_flag("-r,--ready", ready_,
                  "Only whether requests are served: exit code 0, else 6; for health checks, needs no key")
        ->excludes("--watch");
    add_admin_flags(status_command);
}

void RemoteCommands::add_load_and_unload(const AddCommand& command) {
    auto& load_command = command("load", "Make a model of a running server ready",
                                 "  hotmic load large\n"
                                 "  hotmic load large --no-wait\n",
                                 [this] { return load_model(admin_, swap_.job); });
    auto& unload_command = command("unload", "Give the memory of a running server's model back",
                                   "  hotmic unload large\n", [this] { return unload_model(admin_, swap_.job); });
    for (auto* each : {&load_command, &unload_command}) {
        add_job_flags(*each);
        add_admin_flags(*each);
    }
}

void RemoteCommands::add_swap(const AddCommand& command) {
    auto& swap_command =
        command("swap", "Replace a model of a running server, without losing a request",
                "  hotmic swap default --path ggml-small.bin\n"
                "  hotmic swap default --set slots=4 --set warmup.level=3\n"
                "  hotmic swap large --path ggml-large-v3.bin --strategy replace\n"
                "The model is made ready beside the one that serves, then takes over. A swap that fails changes "
                "nothing.\n",
                [this] { return swap_model(admin_, swap_); });
    add_job_flags(swap_command);
    swap_command.add_option("--path", swap_.path, "Model file or folder, on the server's machine")->type_name("PATH");
    swap_command.add_option("--provider", swap_.provider, "Engine: auto, or one that `hotmic providers` lists")
        ->type_name("NAME");
    swap_command
        .add_option("--strategy", swap_.strategy,
                    "auto, beside (the old one serves meanwhile), replace (needs less memory)")
        ->check(CLI::IsMember({"auto", "beside", "replace"}))
        ->type_name("HOW");
    swap_command
        .add_option_function<std::vector<std::string>>(
            "--set",
            [this](const std::vector<std::string>& settings) {
                for (const auto& setting : settings) {
                    swap_.settings.push_back(key_and_value(setting));
                }
            },
            "Any key of [models.*], e.g. --set slots=4; until the server is started anew")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false)
        ->take_all();
    add_admin_flags(swap_command);
}

void RemoteCommands::add_job_flags(CLI::App& command) {
    command.add_option("name", swap_.job.model, "The model")->type_name("NAME")->required();
    command.add_flag("--wait,!--no-wait", swap_.job.wait,
                     "Tell each step and end when it is done (the default); --no-wait prints the job's id");
}

void RemoteCommands::add_admin_flags(CLI::App& command) {
    command.add_option("--server", admin_.server, "Where the server listens")
        ->envname("HOTMIC_SERVER_URL")
        ->type_name("URL")
        ->capture_default_str()
        ->group("Server");
    command.add_option("--admin-key", admin_.key, "A key with the scope admin, where it wants one")
        ->envname("HOTMIC_ADMIN_KEY")
        ->type_name("KEY")
        ->group("Server");
}

void RemoteCommands::add_json(CLI::App& command) {
    command.add_flag("--json", json_, "As JSON");
}

}  // namespace hotmic::cli
