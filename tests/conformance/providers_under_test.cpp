#include "conformance/providers_under_test.hpp"

#include <unistd.h>

#include <filesystem>

#include "asr/providers/onnx/provider.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "asr/providers/whisper_cpp/provider.hpp"
#include "audio/clip.hpp"
#include "support/transducer_test_folder.hpp"
#include "support/whisper_test_model.hpp"
#include "worker/isolated_provider.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;

/// Written once a process, gone with it.
class TestModel {
public:
    template <class Write>
    TestModel(const std::string& name, const Write& write)
        : path_(fs::temp_directory_path() / ("hotmic-conformance-" + std::to_string(getpid()) + name)) {
        write(path_);
    }
    ~TestModel() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TestModel(const TestModel&) = delete;
    TestModel& operator=(const TestModel&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    const fs::path path_;
};

ModelSpec transducer_spec() {
    static const TestModel folder("-en", [](const fs::path& path) { write_transducer_folder(path); });
    return {.provider = "onnx", .path = folder.path(), .slots = 2, .threads = 1};
}

ModelSpec nemo_spec() {
    static const TestModel folder("-nemo-en", [](const fs::path& path) { write_nemo_folder(path); });
    return {.provider = "onnx", .path = folder.path(), .slots = 2, .threads = 1};
}

ModelSpec whisper_spec(const std::string& provider) {
    static const TestModel file(".bin", [](const fs::path& path) { write_whisper_model(path); });
    return {.provider = provider, .path = file.path(), .slots = 2, .threads = 1};
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
         .spec = [] { return whisper_spec("whisper_cpp"); },
         .expected = "hello warm world",
         .wrong_file = not_a_model},
        {.name = "onnx",
         .make = [] { return onnx::make_provider(); },
         .spec = [] { return whisper_spec("onnx"); },
         .expected = "hello warm world",
         .wrong_file = not_a_model},
        {.name = "onnx_transducer",
         .make = [] { return onnx::make_provider(); },
         .spec = [] { return transducer_spec(); },
         .expected = "A B C D E F G H I J A B C D E",
         .wrong_file = not_a_model},
        {.name = "onnx_nemo",
         .make = [] { return onnx::make_provider(); },
         .spec = [] { return nemo_spec(); },
         .expected = "B C D E F G H J A B C D",  // it takes the clip's quiet moments for silence
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
