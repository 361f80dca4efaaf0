/// What shells complete, from the grammar itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace hotmic::cli {

/// "bash", "zsh", "fish".
[[nodiscard]] const std::vector<std::string>& completion_shells();

/// The script for one of these shells by which it completes `app`'s commands, their flags, and values that are a
/// choice.
[[nodiscard]] std::string completion_script(const CLI::App& app, std::string_view shell);

}  // namespace hotmic::cli
