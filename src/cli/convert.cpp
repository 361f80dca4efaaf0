#include "cli/convert.hpp"

#include <filesystem>
#include <format>
#include <string>
#include <system_error>

#include "asr/providers/onnx/whisper/ggml_writer.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/units.hpp"
#include "text/human_size.hpp"

namespace hotmic::cli {

int convert(const std::string& from, const std::string& to) {
    auto source = onnx::open_source(from);
    if (!source) return report(from, source.error());
    LoadProgress progress("convert");
    if (auto written = onnx::write_ggml(**source, to, progress, {}); !written) return report(written.error());
    std::error_code ignored;
    say(std::format("{}: {}, {}", to, (*source)->info().dimensions.size_name(),
                    human_size(Bytes(std::filesystem::file_size(to, ignored)))));
    return 0;
}

}  // namespace hotmic::cli
