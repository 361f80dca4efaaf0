/// Model files of strangers, changed in every way that a generator thinks of: each is read or refused with a reason,
/// and none takes more memory than its size calls for. HOTMIC_FUZZ_ROUNDS sets how often, HOTMIC_FUZZ_SEED which.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "asr/providers/onnx/transducer/folder.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/whisper/ctranslate2_folder.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "onnx/ct2_test_folder.hpp"
#include "support/transducer_test_folder.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

const fs::path kEnglish = HOTMIC_SOURCE_DIR "/models/numbers/hotmic-numbers.en-q5_0.bin";

unsigned from_environment(const char* name, unsigned otherwise) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

std::string contents(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class Mutator {
public:
    explicit Mutator(unsigned seed) : random_(seed) {}

    /// One to four changes; most of them where the structure is told, in the first `head` bytes.
    std::string change(std::string bytes, std::size_t head) {
        for (auto changes = below(4) + 1; changes > 0 && !bytes.empty(); --changes) {
            const auto reach = below(4) == 0 ? bytes.size() : std::min(head, bytes.size());
            one(bytes, below(reach));
        }
        return bytes;
    }
    std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_); }

private:
    void one(std::string& bytes, std::size_t at) {
        static constexpr std::int32_t kNumbers[]{
            0, 1, -1, 2, 255, 256, 65536, 0x7FFFFFFF, -0x7FFFFFFF, 0x40000000, 0x10000000, 1'000'000, 51865};
        const auto room = bytes.size() - at;
        switch (below(7)) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
                return;
            case 1:
                bytes[at] = static_cast<char>(random_());
                return;
            case 2: {
                const auto number = kNumbers[below(std::size(kNumbers))];
                std::memcpy(bytes.data() + at, &number, std::min(room, sizeof number));
                return;
            }
            case 3: {
                const auto number = std::numeric_limits<std::uint64_t>::max() >> below(64);
                std::memcpy(bytes.data() + at, &number, std::min(room, sizeof number));
                return;
            }
            case 4:
                bytes.erase(at, below(64) + 1);
                return;
            case 5:
                bytes.insert(at, bytes.substr(below(bytes.size()), below(64) + 1));
                return;
            default:
                bytes.resize(at);
        }
    }

    std::mt19937 random_;
};

std::size_t most_resident_kib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::size_t>(usage.ru_maxrss);
}

class Fuzz : public ::testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder_); }
    void TearDown() override { fs::remove_all(folder_); }

    template <class T>
    void expect_told(const Result<T>& result) {
        ++(result ? read_ : refused_);
        if (result) return;
        EXPECT_FALSE(result.error().message.empty());
        EXPECT_TRUE(spec_of(result.error().code).permanent) << result.error().describe();
    }

    const unsigned rounds_ = from_environment("HOTMIC_FUZZ_ROUNDS", 400);
    Mutator mutator_{from_environment("HOTMIC_FUZZ_SEED", 1)};
    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-fuzz-" + std::to_string(getpid()));
    unsigned read_ = 0;
    unsigned refused_ = 0;
};

TEST_F(Fuzz, FilesOfWhisperCppAreReadOrRefused) {
    const auto whole = contents(kEnglish);
    const auto before = most_resident_kib();
    for (unsigned i = 0; i < rounds_; ++i) {
        const auto changed = mutator_.change(whole, i % 2 == 0 ? 64 : 40'000);
        std::istringstream in(changed);
        expect_told(whisper::read_model_file(in, changed.size(), "it"));
    }
    EXPECT_GT(refused_, 0u);
    EXPECT_GT(read_, 0u) << "or the changes are too coarse to reach what lies behind the header";
#if !defined(__SANITIZE_ADDRESS__)
    EXPECT_LT(most_resident_kib() - before, 64u << 10);
#else
    (void)before;
#endif
}

TEST_F(Fuzz, FoldersOfCTranslate2AreReadOrRefused) {
    testing::write_ct2_folder(folder_ / "whole", kEnglish, {.weights = "int8"});
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(folder_ / "whole")) names.push_back(file.path().filename().string());
    std::ranges::sort(names);
    const auto before = most_resident_kib();
    for (unsigned i = 0; i < rounds_ / 4; ++i) {
        fs::remove_all(folder_ / "it");
        fs::copy(folder_ / "whole", folder_ / "it");
        const auto& name = names[i % names.size()];
        std::ofstream(folder_ / "it" / name, std::ios::binary | std::ios::trunc)
            << mutator_.change(contents(folder_ / "whole" / name), 4000);
        auto source = open_ct2_source(folder_ / "it");
        expect_told(source);
        if (source) (void)(*source)->vocabulary();
    }
    EXPECT_GT(refused_, 0u);
#if !defined(__SANITIZE_ADDRESS__)
    EXPECT_LT(most_resident_kib() - before, 96u << 10);
#else
    (void)before;
#endif
}

TEST_F(Fuzz, FoldersOfTransducersAreReadOrRefused) {
    // With a file beside it, so that what names places is reached.
    fs::create_directories(folder_ / "whole");
    std::ofstream(folder_ / "whole" / "weights") << "1234";
    testing::write_transducer_folder(folder_ / "whole", {.location = "weights"});
    testing::write_nemo_folder(folder_ / "nemo");
    ASSERT_TRUE(read_transducer_folder(folder_ / "whole"));
    ASSERT_TRUE(read_transducer_folder(folder_ / "nemo"));
    const std::string names[]{"encoder.onnx", "encoder.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"};
    const auto before = most_resident_kib();
    for (unsigned i = 0; i < rounds_; ++i) {
        const auto whole = folder_ / (i % 2 == 0 ? "whole" : "nemo");
        fs::remove_all(folder_ / "it");
        fs::copy(whole, folder_ / "it");
        const auto& name = names[i % std::size(names)];
        std::ofstream(folder_ / "it" / name, std::ios::binary | std::ios::trunc)
            << mutator_.change(contents(whole / name), 4000);
        expect_told(read_transducer_folder(folder_ / "it"));
    }
    EXPECT_GT(refused_, 0u);
    EXPECT_GT(read_, 0u);
#if !defined(__SANITIZE_ADDRESS__)
    EXPECT_LT(most_resident_kib() - before, 64u << 10);
#else
    (void)before;
#endif
}

}  // namespace
}  // namespace hotmic::onnx
