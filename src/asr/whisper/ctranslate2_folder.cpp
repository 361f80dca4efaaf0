#include "asr/whisper/ctranslate2_folder.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <ios>
#include <istream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/whisper/json_file.hpp"
#include "asr/whisper/tokenizer_json.hpp"
#include "hotmic/error.hpp"

namespace hotmic::whisper {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kOldestVersion = 4;
constexpr std::uint32_t kNewestVersion = 6;
constexpr std::uint16_t kLongestVariableName = 256;
constexpr std::uint32_t kMostVariables = 8192;  // large-v3 has some 1300
constexpr std::int64_t kLargestExtent = 1 << 20;
constexpr const char* kGetFolderAgain = "download the whole folder again (model.bin, config.json, tokenizer.json)";

std::optional<std::uint64_t> size_of(Ct2Type type) {
    switch (type) {
        case Ct2Type::float32:
        case Ct2Type::int32:
            return 4;
        case Ct2Type::int16:
        case Ct2Type::float16:
        case Ct2Type::bfloat16:
            return 2;
        case Ct2Type::int8:
            return 1;
    }
    return std::nullopt;
}

/// Walks model.bin.
class Walk {
public:
    Walk(std::istream& in, Ct2Folder& folder, std::string name) : in_(in), folder_(folder), name_(std::move(name)) {}

    Result<void> run() {
        std::uint32_t version = 0;
        if (!read(version)) return truncated("within its version");
        if (version < kOldestVersion || version > kNewestVersion) {
            if (version < 1 || version > 100) {
                return fail(ErrorCode::model_not_recognized, std::format("{} is no model of CTranslate2", name_),
                            kGetFolderAgain, "path");
            }
            return fail(ErrorCode::model_unsupported,
                        std::format("{} is version {} of CTranslate2's format; versions {} to {} are read", name_,
                                    version, kOldestVersion, kNewestVersion),
                        "convert the model again with a current ct2-transformers-converter", "path");
        }
        std::string specification;
        std::uint32_t revision = 0;
        if (auto got = text(specification, "the name of its specification"); !got) return got;
        if (!read(revision)) return truncated("within its revision");
        if (specification != "WhisperSpec") {
            return fail(ErrorCode::model_unsupported,
                        std::format("{} is a CTranslate2 model of \"{}\", not of Whisper", name_, specification),
                        "give a folder of a Whisper model, such as Systran/faster-whisper-base", "path");
        }
        std::uint32_t count = 0;
        if (!read(count)) return truncated("before its variables");
        if (count == 0 || count > kMostVariables) return corrupt(std::format("{} variables", count));
        for (std::uint32_t i = 0; i < count; ++i) {
            if (auto walked = variable(); !walked) return walked;
        }
        return aliases();
    }

private:
    std::unexpected<Error> truncated(std::string_view where) const {
        return fail(ErrorCode::model_truncated,
                    std::format("{} ends {} (it has {} bytes)", name_, where, folder_.size_bytes), kGetFolderAgain,
                    "path");
    }
    std::unexpected<Error> corrupt(std::string what) const {
        return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", name_, what), kGetFolderAgain, "path");
    }

    [[nodiscard]] std::uint64_t left() const { return folder_.size_bytes - at_; }
    bool take(char* into, std::uint64_t count) {
        if (count > left() || !in_.read(into, static_cast<std::streamsize>(count))) return false;
        at_ += count;
        folder_.skeleton.append(into, count);
        return true;
    }
    template <class T>
    bool read(T& value) {
        std::array<char, sizeof value> bytes{};
        if (!take(bytes.data(), bytes.size())) return false;
        value = std::bit_cast<T>(bytes);
        return true;
    }
    Result<void> text(std::string& into, std::string_view what) {
        std::uint16_t length = 0;
        if (!read(length)) return truncated(std::format("before {}", what));
        if (length == 0 || length > kLongestVariableName) return corrupt(std::format("{} has {} bytes", what, length));
        into.resize(length);
        if (!take(into.data(), length)) return truncated(std::format("within {}", what));
        if (const auto end = into.find('\0'); end != into.npos) into.resize(end);
        return {};
    }

    Result<void> variable() {
        Ct2Variable made;
        if (auto got = text(made.name, "a variable's name"); !got) return got;
        std::uint8_t rank = 0;
        if (!read(rank)) return truncated(std::format("within variable {}", made.name));
        if (rank > 4) return corrupt(std::format("variable {} has {} dimensions", made.name, rank));
        std::uint64_t numbers = 1;
        for (std::uint8_t i = 0; i < rank; ++i) {
            std::uint32_t extent = 0;
            if (!read(extent)) return truncated(std::format("within variable {}", made.name));
            if (extent < 1 || extent > kLargestExtent)
                return corrupt(std::format("variable {} has an extent of {}", made.name, extent));
            made.shape.push_back(extent);
            numbers *= extent;
            if (numbers > (1ull << 31)) return corrupt(std::format("variable {} is larger than any", made.name));
        }
        std::uint8_t type = 0;
        std::uint32_t bytes = 0;
        if (!read(type) || !read(bytes)) return truncated(std::format("within variable {}", made.name));
        made.type = static_cast<Ct2Type>(type);
        const auto size = size_of(made.type);
        if (!size) return corrupt(std::format("variable {} is of unknown type {}", made.name, type));
        if (bytes != numbers * *size) {
            return corrupt(std::format("variable {} has {} bytes for {} numbers", made.name, bytes, numbers));
        }
        if (!names_.insert(made.name).second) return corrupt(std::format("variable {} is there twice", made.name));
        if (bytes > left() || !in_.seekg(static_cast<std::streamoff>(bytes), std::ios::cur))
            return truncated(std::format("within variable {}", made.name));
        folder_.data.push_back({at_, bytes});
        at_ += bytes;
        folder_.tensor_bytes += bytes;
        folder_.parameters += numbers;
        folder_.directory.push_back(std::move(made));
        return {};
    }

    Result<void> aliases() {
        std::uint32_t count = 0;
        if (!read(count)) return truncated("before its aliases");
        if (count > kMostVariables) return corrupt(std::format("{} aliases", count));
        for (std::uint32_t i = 0; i < count; ++i) {
            std::string alias;
            std::string variable;
            if (auto got = text(alias, "an alias"); !got) return got;
            if (auto got = text(variable, "an alias's variable"); !got) return got;
            if (!names_.contains(variable))
                return corrupt(std::format("alias {} is of {}, which is not there", alias, variable));
        }
        if (left() > 0) return corrupt(std::format("{} bytes follow its last alias", left()));
        return {};
    }

    std::istream& in_;
    Ct2Folder& folder_;
    const std::string name_;
    std::uint64_t at_ = 0;
    std::set<std::string, std::less<>> names_;
};

Result<void> read_config(const fs::path& path, Ct2Folder& folder) {
    auto config = json_file(path, "which tokens are never decoded", kGetFolderAgain);
    if (!config) return std::unexpected(std::move(config).error());
    const auto corrupt = [&](std::string_view key) {
        return fail(ErrorCode::model_corrupt, std::format("{} of {} is not what it should be", key, path.string()),
                    kGetFolderAgain, "path");
    };
    for (const auto& [key, into] :
         {std::pair<const char*, std::vector<std::int32_t>*>{"suppress_ids", &folder.suppressed},
          {"suppress_ids_begin", &folder.suppressed_at_begin}}) {
        const auto* list = member(*config, key);
        if (list == nullptr) continue;
        if (!list->is_array()) return corrupt(key);
        for (const auto& each : list->get_array()) {
            const auto id = whole_number(each);
            if (!id) return corrupt(key);
            into->push_back(*id);
        }
    }
    if (const auto* heads = member(*config, "alignment_heads"); heads != nullptr && heads->is_array()) {
        for (const auto& each : heads->get_array()) {
            if (!each.is_array() || each.get_array().size() != 2) return corrupt("alignment_heads");
            const auto layer = whole_number(each.get_array()[0], 64);
            const auto head = whole_number(each.get_array()[1], 64);
            if (!layer || !head) return corrupt("alignment_heads");
            folder.alignment_heads.emplace_back(*layer, *head);
        }
    }
    return {};
}

}  // namespace

bool looks_like_ct2_folder(const fs::path& path) {
    std::error_code error;
    return fs::is_directory(path, error) && fs::exists(path / "model.bin", error);
}

Result<Ct2Folder> read_ct2_folder(const fs::path& path) {
    Ct2Folder folder;
    folder.weights = path / "model.bin";
    std::error_code error;
    if (!fs::is_directory(path, error)) {
        return fail(ErrorCode::model_file_missing, std::format("{} is no folder", path.string()), kGetFolderAgain,
                    "path");
    }
    folder.size_bytes = fs::file_size(folder.weights, error);
    if (error) {
        return fail(ErrorCode::model_file_missing, std::format("{} has no model.bin", path.string()), kGetFolderAgain,
                    "path");
    }
    std::ifstream in(folder.weights, std::ios::binary);
    if (!in) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", folder.weights.string()),
                    "check its permissions", "path");
    }
    if (auto walked = Walk(in, folder, folder.weights.string()).run(); !walked)
        return std::unexpected(std::move(walked).error());
    auto tokenizer = read_tokenizer(path / "tokenizer.json", kGetFolderAgain);
    if (!tokenizer) return std::unexpected(std::move(tokenizer).error());
    static_cast<TokenizerFile&>(folder) = *std::move(tokenizer);
    if (auto read = read_config(path / "config.json", folder); !read) return std::unexpected(std::move(read).error());
    return folder;
}

}  // namespace hotmic::whisper
