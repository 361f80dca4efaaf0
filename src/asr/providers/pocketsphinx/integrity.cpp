#include "asr/providers/pocketsphinx/integrity.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::pocketsphinx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRemedy = "copy it again, or install the model anew: apt install --reinstall pocketsphinx-en-us";

std::unexpected<Error> corrupt(const fs::path& file, std::string_view why) {
    return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", file.string(), why), kRemedy, "path");
}

/// Reads a file from its front. Past the end it yields zeros and remembers it; ask `ended` once, after the last read.
class Head {
public:
    explicit Head(const fs::path& file) : in_(file, std::ios::binary) {
        std::error_code error;
        size_ = fs::file_size(file, error);
    }
    void swap_bytes() { swapped_ = true; }

    std::uint32_t word() {
        std::array<char, 4> raw{};
        in_.read(raw.data(), raw.size());
        const auto value = in_ ? std::bit_cast<std::uint32_t>(raw) : 0;
        return swapped_ ? std::byteswap(value) : value;
    }
    std::string text(std::uint64_t count) {
        std::string bytes(std::min(count, size_), '\0');
        in_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        if (count > size_) in_.setstate(std::ios::failbit);
        return bytes;
    }
    std::string line() {
        std::string bytes;
        std::getline(in_, bytes);
        return bytes;
    }
    std::string until_nul() {
        std::string bytes;
        std::getline(in_, bytes, '\0');
        return bytes;
    }
    void seek(std::uint64_t position) { in_.seekg(static_cast<std::streamoff>(position)); }

    [[nodiscard]] std::uint64_t position() { return in_ ? static_cast<std::uint64_t>(in_.tellg()) : size_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] bool ended() const { return !in_; }

private:
    std::ifstream in_;
    std::uint64_t size_ = 0;
    bool swapped_ = false;
};

/// `promised` is what the header says; a header that was cut itself promises more than there is.
Result<void> compare_size(const fs::path& file, const Head& head, std::uint64_t promised, bool exactly) {
    if (head.ended() || head.size() < promised) {
        return fail(ErrorCode::model_truncated,
                    std::format("{} ends after {} bytes, before its contents do", file.string(), head.size()), kRemedy,
                    "path");
    }
    if (exactly && head.size() > promised) {
        return corrupt(file, std::format("it has {} bytes, its header says {}", head.size(), promised));
    }
    return {};
}

/// Sphinx parameter files ("s3"): lines of text up to "endhdr", a mark of the byte order, dimensions, as many 32-bit
/// numbers as these say, and a checksum where the text announces one.
struct Parameters {
    Head head;
    bool checksum = false;
};

Result<Parameters> open_parameters(const fs::path& file) {
    constexpr std::uint32_t kNative = 0x11223344;
    constexpr int kMostLines = 64;
    Parameters parameters{.head = Head(file)};
    auto& head = parameters.head;
    if (head.text(3) != "s3\n") return corrupt(file, "it is no Sphinx parameter file");
    for (int i = 0; i < kMostLines; ++i) {
        const auto line = head.line();
        if (line.contains("chksum0")) parameters.checksum = true;
        if (!line.contains("endhdr")) continue;
        if (const auto mark = head.word(); mark == std::byteswap(kNative)) {
            head.swap_bytes();
        } else if (mark != kNative && !head.ended()) {
            return corrupt(file, "its byte order cannot be told");
        }
        return parameters;
    }
    return corrupt(file, "its header has no end");
}

/// The numbers that follow a header: their count stands before them and must be the product of the dimensions.
Result<void> check_numbers(const fs::path& file, Parameters& parameters, std::uint64_t product) {
    auto& head = parameters.head;
    const std::uint64_t count = head.word();
    if (!head.ended() && count != product) return corrupt(file, "its dimensions contradict its length");
    return compare_size(file, head, head.position() + 4 * count + (parameters.checksum ? 4 : 0), true);
}

/// "feature_count 3" → 3, where `line` begins with `name`.
std::optional<std::uint64_t> setting(std::string_view line, std::string_view name) {
    if (!line.starts_with(name)) return std::nullopt;
    line.remove_prefix(name.size());
    std::uint64_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec != std::errc()) return std::nullopt;
    return value;
}

/// The words of a binary model are its end: their total length, then each with its terminator. Counting terminators
/// from behind finds that length, if nothing of the file is missing.
bool ends_in_words(Head& head, std::uint64_t words) {
    constexpr std::uint64_t kLongestMean = 128;
    const auto tail = std::min(head.size(), words * kLongestMean + 4);
    head.seek(head.size() - tail);
    const auto bytes = head.text(tail);
    std::uint64_t seen = 0;
    for (auto at = bytes.size(); at-- > 0;) {
        if (bytes[at] != '\0' || seen++ < words) continue;
        // The highest byte of the length, which is 0 for any model of this world, ends where the first word begins.
        const auto length = bytes.size() - (at + 1);
        if (at < 3) return false;
        std::array<char, 4> raw{};
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at) - 3, raw.size(), raw.begin());
        return std::bit_cast<std::uint32_t>(raw) == length;
    }
    return false;
}

}  // namespace

Result<void> check_phones(const fs::path& mdef, Facts& facts) {
    constexpr std::uint32_t kBinary = 0x46444d42;  // "BMDF"
    constexpr std::uint32_t kMostNames = 4096;
    Head head(mdef);
    const auto magic = head.word();
    if (magic == std::byteswap(kBinary)) {
        head.swap_bytes();
    } else if (magic != kBinary) {
        // The older text form begins with its version.
        head.seek(0);
        return head.text(3) == "0.3" ? Result<void>{} : corrupt(mdef, "it defines no phones");
    }
    head.word();  // version
    const std::uint64_t description = head.word();
    head.seek(head.position() + description);
    std::array<std::uint64_t, 10> dimension{};
    for (auto& value : dimension) value = head.word();
    const auto [names, phones, states, ci_senones, senones, matrices, sequences, context, nodes, silence] = dimension;
    if (names > kMostNames) return corrupt(mdef, std::format("it claims {} base phones", names));
    const auto first_name = head.position();
    for (std::uint64_t i = 0; i < names && !head.ended(); ++i) head.until_nul();
    const auto names_size = (head.position() - first_name + 3) / 4 * 4;
    const auto sequence_count_at = first_name + names_size + 8 * nodes + 12 * phones;
    if (auto whole = compare_size(mdef, head, sequence_count_at + 4, false); !whole) return whole;
    head.seek(sequence_count_at);
    const std::uint64_t sequence_states = head.word();
    facts["phones"] = std::to_string(names);
    facts["senones"] = std::to_string(senones);
    return compare_size(mdef, head, sequence_count_at + 4 + 2 * sequence_states + (states == 0 ? sequences : 0), false);
}

Result<void> check_gaussians(const fs::path& file, Facts& facts) {
    constexpr std::uint64_t kMostStreams = 64;
    auto parameters = open_parameters(file);
    if (!parameters) return std::unexpected(std::move(parameters).error());
    auto& head = parameters->head;
    const std::uint64_t codebooks = head.word();
    const std::uint64_t streams = head.word();
    const std::uint64_t densities = head.word();
    if (streams > kMostStreams) return corrupt(file, std::format("it claims {} feature streams", streams));
    std::uint64_t dimensions = 0;
    for (std::uint64_t i = 0; i < streams; ++i) dimensions += head.word();
    facts["gaussians"] = std::format("{} codebooks of {} in {} dimensions", codebooks, densities, dimensions);
    return check_numbers(file, *parameters, codebooks * densities * dimensions);
}

Result<void> check_matrices(const fs::path& file) {
    auto parameters = open_parameters(file);
    if (!parameters) return std::unexpected(std::move(parameters).error());
    std::uint64_t product = 1;
    for (int i = 0; i < 3; ++i) product *= parameters->head.word();
    return check_numbers(file, *parameters, product);
}

Result<void> check_senone_dump(const fs::path& sendump) {
    constexpr std::uint32_t kLongestString = 999;  // the engine's own limit
    Head head(sendump);
    auto length = head.word();
    if (length < 1 || length > kLongestString) {
        head.swap_bytes();
        length = std::byteswap(length);
    }
    std::uint64_t streams = 1;
    std::uint64_t rows = 0;
    std::uint64_t columns = 0;
    std::uint64_t clusters = 0;
    std::uint64_t bits = 8;
    for (; length != 0 && !head.ended(); length = head.word()) {
        if (length > kLongestString) return corrupt(sendump, "it is no table of senones");
        const auto line = head.text(length);
        if (const auto value = setting(line, "feature_count ")) streams = *value;
        if (const auto value = setting(line, "mixture_count ")) rows = *value;
        if (const auto value = setting(line, "model_count ")) columns = *value;
        if (const auto value = setting(line, "cluster_count ")) clusters = *value;
        if (const auto value = setting(line, "cluster_bits ")) bits = *value;
    }
    if (clusters == 0) {
        rows = head.word();
        columns = head.word();
    }
    const auto row = bits == 4 ? (columns + 1) / 2 : columns;
    const auto codebook = clusters == 15 ? 16 : clusters;
    return compare_size(sendump, head, head.position() + codebook + streams * rows * row, false);
}

Result<void> check_language_model(const fs::path& file, Facts& facts) {
    constexpr std::string_view kTrie = "Trie Language Model";
    constexpr std::string_view kDump = "Darpa Trigram LM";
    constexpr unsigned kHighestOrder = 5;
    const auto name = file.filename().string();
    if (!name.ends_with(".bin") && !name.ends_with(".dmp")) return {};
    Head head(file);
    const auto magic = head.text(std::min<std::uint64_t>(kTrie.size(), head.size()));
    if (magic.substr(std::min<std::size_t>(4, magic.size())).starts_with(kDump.substr(0, kTrie.size() - 4)))
        return {};  // read with care
    if (magic != kTrie) return corrupt(file, "it is no language model");
    const auto order_text = head.text(1);
    const auto order = order_text.empty() ? 0U : static_cast<unsigned char>(order_text.front());
    if (order < 1 || order > kHighestOrder) return corrupt(file, std::format("it claims n-grams of {} words", order));
    std::uint64_t least = 0;
    std::string counts;
    std::uint64_t words = 0;
    for (unsigned i = 0; i < order; ++i) {
        const std::uint64_t count = head.word();
        if (i == 0) words = count;
        least += count * (i == 0 ? 12 : 2);  // bytes that each takes at the very least
        counts += (counts.empty() ? "" : " + ") + std::to_string(count);
    }
    if (auto whole = compare_size(file, head, head.position() + least, false); !whole) return whole;
    if (!ends_in_words(head, words)) {
        return fail(ErrorCode::model_truncated,
                    std::format("{} ends before the last of its {} words", file.string(), words), kRemedy, "path");
    }
    facts["n_grams"] = counts;
    return {};
}

Result<void> check_dictionary(const fs::path& file) {
    constexpr std::uint64_t kLook = 4096;
    Head head(file);
    const auto front = head.text(std::min(kLook, head.size()));
    if (front.contains('\0')) return corrupt(file, "it is no text");
    return {};
}

}  // namespace hotmic::pocketsphinx
