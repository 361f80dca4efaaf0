#include "conformance/providers_under_test.hpp"

#include <unistd.h>

#include <filesystem>

#include "asr/providers/pocketsphinx/provider.hpp"
#include "asr/providers/whisper_cpp/provider.hpp"
#include "audio/clip.hpp"
#include "support/whisper_test_model.hpp"
#include "worker/isolated_provider.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;

/// Written once a process, gone with it.
class TestModelFile {
public:
    TestModelFile() { write_whisper_model(path_); }
    ~TestModelFile() {
        std::error_code ignored;
        fs::remove(path_, ignored);
    }
    TestModelFile(const TestModelFile&) = delete;
    TestModelFile& operator=(const TestModelFile&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    const fs::path path_ = fs::temp_directory_path() / ("hotmic-conformance-" + std::to_string(getpid()) + ".bin");
};

ModelSpec whisper_spec() {
    static const TestModelFile file;
    return {.provider = "whisper_cpp", .path = file.path(), .slots = 2, .threads = 1};
}

}  // namespace

std::vector<ProviderUnderTest> providers_under_test() {
    const std::string not_a_model = HOTMIC_SOURCE_DIR "/src/audio/clip/hotmic-clip.txt";
    std::vector<ProviderUnderTest> all{
        {.name = "pocketsphinx",
         .make = [] { return pocketsphinx::make_provider(); },
         .spec = [] { return ModelSpec{.provider = "pocketsphinx", .path = {}, .slots = 2}; },
         .expected = std::string(audio::builtin_clip().text),
         .accepted_error_rate = 0.3,
         .wrong_file = not_a_model},
        {.name = "whisper_cpp",
         .make = [] { return whisper_cpp::make_provider(); },
         .spec = whisper_spec,
         .expected = "hello warm world",
         .wrong_file = not_a_model}};
    const auto engines = all.size();
    for (std::size_t i = 0; i < engines; ++i) {
        auto isolated = all[i];
        isolated.name += "_isolated";
        isolated.make = [inner = isolated.make] {
            return worker::isolate(inner(), {.executable = HOTMIC_BINARY_DIR "/bin/hotmic_test_worker"});
        };
        isolated.in_process = false;
        all.push_back(std::move(isolated));
    }
    return all;
}

}  // namespace hotmic::testing
