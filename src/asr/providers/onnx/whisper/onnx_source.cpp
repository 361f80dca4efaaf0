/// Whisper's weights out of ONNX graphs, as Hugging Face's optimum and sherpa-onnx export them.
///
/// Exporters keep the names of norms and tables, but turn matrices round and name them by number. So a matrix is known
/// by the path in the name of the node that multiplies with it ("/model/decoder/layers.0/self_attn/k_proj/MatMul");
/// where that has no layer, as in sherpa-onnx's decoder ("/query_3/MatMul"), by how many of its kind came before.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <fstream>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <span>
#include <utility>

#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/log_mel.hpp"
#include "asr/providers/onnx/whisper/onnx_layout.hpp"
#include "asr/providers/onnx/whisper/onnx_weight.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/whisper/json_file.hpp"
#include "asr/whisper/tokenizer_json.hpp"
#include "text/hex.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGetAnother = "download all files of the model again";

struct Name {
    std::string_view theirs;
    std::string_view ours;
};
constexpr std::array kMatrices{Name{"q_proj", "query"}, Name{"query", "query"},  Name{"k_proj", "key"},
                               Name{"key", "key"},      Name{"v_proj", "value"}, Name{"value", "value"},
                               Name{"out_proj", "out"}, Name{"out", "out"},      Name{"fc1", "mlp.0"},
                               Name{"mlp.0", "mlp.0"},  Name{"fc2", "mlp.2"},    Name{"mlp.2", "mlp.2"}};
constexpr std::array kNorms{Name{"self_attn_layer_norm", "attn_ln"},
                            Name{"attn_ln", "attn_ln"},
                            Name{"encoder_attn_layer_norm", "cross_attn_ln"},
                            Name{"cross_attn_ln", "cross_attn_ln"},
                            Name{"final_layer_norm", "mlp_ln"},
                            Name{"mlp_ln", "mlp_ln"}};

template <std::size_t N>
std::optional<std::string_view> ours(const std::array<Name, N>& names, std::string_view theirs) {
    const auto found = std::ranges::find(names, theirs, &Name::theirs);
    return found == names.end() ? std::nullopt : std::optional(found->ours);
}

std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || wrong != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

/// "key_3" → "key" and 3: the fourth of that name in the graph.
struct Numbered {
    std::string_view name;
    int index = 0;
};
Numbered numbered(std::string_view part) {
    const auto at = part.rfind('_');
    const auto index = at == part.npos ? std::nullopt : number(part.substr(at + 1));
    return index ? Numbered{part.substr(0, at), *index} : Numbered{part};
}

/// A path's parts, at "/" and ".", a number joined to what is before it: "layers.0/mlp/mlp.0/MatMul" →
/// layers, 0, mlp, mlp.0, MatMul.
std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> parts;
    for (const auto each : std::views::split(path, '/')) {
        const std::string_view part(each);
        for (const auto inner : std::views::split(part, '.')) {
            const std::string_view text(inner);
            if (text.empty()) continue;
            if (number(numbered(text).name) && !parts.empty() && parts.back().starts_with("mlp"))
                parts.back() = "mlp." + std::string(text);
            else
                parts.emplace_back(text);
        }
    }
    return parts;
}

/// What a node's or tensor's path says of a matrix.
struct Matrix {
    std::string role{};  // as in OpenAI's names: "query", "mlp.0"
    std::optional<int> layer{};
    bool cross = false;
    int index = 0;  // of those of this name
};

std::optional<Matrix> matrix_at(std::string_view path) {
    Matrix made;
    const auto parts = parts_of(path);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& part = parts[i];
        if ((part == "layers" || part == "blocks") && i + 1 < parts.size()) made.layer = number(parts[i + 1]);
        const auto [name, index] = numbered(part);
        if (name == "encoder_attn" || name == "cross_attn") made.cross = true;
        if (const auto role = ours(kMatrices, name)) {
            made.role = *role;
            made.index = index;
        } else if (const auto whole = ours(kMatrices, part)) {
            made.role = *whole;
        }
    }
    return made.role.empty() ? std::nullopt : std::optional(std::move(made));
}

/// A tensor in one of the two files.
struct Place {
    const OnnxFile* file = nullptr;
    OnnxWeight weight{};
};
using Places = std::map<std::string, Place, std::less<>>;

/// Finds the tensors of one side ("encoder", "decoder") in its file. `into`: by OpenAI's names.
class Finding {
public:
    Finding(const OnnxFile& file, std::string side, Places& into)
        : file_(file), scope_(file, best_graph(file)), side_(std::move(side)), into_(into) {}

    void run() {
        for (const auto* tensor : scope_.tensors()) named(*tensor);
        int convolutions = 0;
        for (const auto& node : scope_.graph().nodes) {
            if (node.op == "Conv" || node.op == "ConvInteger") {
                if (auto weight = node.inputs.size() < 2 ? std::nullopt : scope_.weight(node.inputs[1])) {
                    const auto name = std::format("encoder.conv{}", ++convolutions);
                    put(name + ".weight", *weight);
                    if (auto bias =
                            node.op != "Conv" || node.inputs.size() < 3 ? std::nullopt : scope_.weight(node.inputs[2]))
                        put(name + ".bias", *bias);
                }
            } else {
                multiplied(node);
            }
        }
    }

private:
    /// Of the graphs in a file (a merged decoder has one for the first token and one for those after it) the one with
    /// most matrices: only the first token's looks at the audio.
    static std::size_t best_graph(const OnnxFile& file) {
        std::size_t best = 0;
        std::ptrdiff_t most = -1;
        for (std::size_t i = 0; i < file.graphs.size(); ++i) {
            const auto products = std::ranges::count_if(file.graphs[i].nodes, [](const OnnxNode& node) {
                return node.op.starts_with("MatMul") && matrix_at(node.name);
            });
            if (products <= most) continue;
            most = products;
            best = i;
        }
        return best;
    }

    void put(const std::string& name, const OnnxWeight& weight) { into_.emplace(name, Place{&file_, weight}); }

    /// Norms, tables, and whatever else has kept its name.
    void named(const OnnxTensor& tensor) {
        std::string_view name = tensor.name;
        if (name.ends_with("_scale") || name.ends_with("_zero_point")) return;
        if (name.ends_with("_quantized")) name.remove_suffix(std::string_view("_quantized").size());
        if (const auto merged = name.find("_merged_"); merged != name.npos) name = name.substr(0, merged);
        // sherpa-onnx's encoder holds a part of the decoder, which has no names of its own there.
        if (side_ == "encoder" && name.starts_with("textDecoder.")) return;
        const auto parts = parts_of(name);
        if (parts.empty()) return;
        const auto end = [&](std::size_t from_end) -> std::string_view {
            return parts.size() > from_end ? std::string_view(parts[parts.size() - 1 - from_end]) : std::string_view{};
        };
        const auto kind = end(0);
        const auto what = end(1);
        std::string made;
        if (kind == "positional_embedding" || (what == "embed_positions" && kind == "weight")) {
            made = side_ + ".positional_embedding";
        } else if (kind != "weight" && kind != "bias") {
            return;
        } else if (what == "embed_tokens" || what == "token_embedding") {
            made = "decoder.token_embedding.weight";
        } else if (what == "conv1" || what == "conv2") {
            made = std::format("encoder.{}.{}", what, kind);
        } else {
            std::optional<int> layer;
            for (std::size_t i = 0; i + 1 < parts.size(); ++i)
                if (parts[i] == "layers" || parts[i] == "blocks") layer = number(parts[i + 1]);
            if (const auto norm = ours(kNorms, what); norm && layer) {
                made = std::format("{}.blocks.{}.{}.{}", side_, *layer, *norm, kind);
            } else if (!layer && (what == "layer_norm" || what == "ln_post" || what == "ln")) {
                made = std::format("{}.{}.{}", side_, side_ == "encoder" ? "ln_post" : "ln", kind);
            } else {
                return;
            }
        }
        if (auto weight = scope_.weight_named(tensor.name)) put(made, *weight);
    }

    void multiplied(const OnnxNode& node) {
        const auto weight = scope_.matrix_of(node);
        if (!weight) return;
        auto matrix = matrix_at(node.name);
        if (!matrix) matrix = matrix_at(weight->values->name);
        if (!matrix) return;
        if (!matrix->layer) count(*matrix);
        const bool attention = !matrix->role.starts_with("mlp");
        const auto name = std::format("{}.blocks.{}.{}{}", matrix->cross ? "decoder" : side_, *matrix->layer,
                                      attention ? (matrix->cross ? "cross_attn." : "attn.") : "", matrix->role);
        put(name + ".weight", *weight);
        if (auto bias = scope_.bias_of(node)) put(name + ".bias", *bias);
    }

    /// The layer of a matrix whose path has none: in sherpa-onnx's encoder those are keys and values of the decoder's
    /// cross-attention, in its decoder each layer has two queries and outputs, the second of the cross-attention.
    void count(Matrix& matrix) {
        auto& before = counted_[matrix.role];
        const int index = before.contains(matrix.index) ? *before.rbegin() + 1 : matrix.index;
        before.insert(index);
        const bool twice = side_ == "decoder" && (matrix.role == "query" || matrix.role == "out");
        matrix.layer = twice ? index / 2 : index;
        matrix.cross = side_ == "encoder" ? matrix.role == "key" || matrix.role == "value" : twice && index % 2 == 1;
    }

    const OnnxFile& file_;
    const OnnxScope scope_;
    const std::string side_;
    Places& into_;
    std::map<std::string, std::set<int>, std::less<>> counted_;  // of each role, which there were
};

/// Everything that the format says beside weights.
struct Tokens {
    std::vector<std::string> vocabulary{};
    SpecialTokens special{};
    std::vector<Token> suppressed{};
    std::vector<Token> suppressed_at_begin{};
    std::vector<std::pair<int, int>> alignment_heads{};
};

std::unexpected<Error> corrupt(const fs::path& file, std::string_view what) {
    return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", file.string(), what), kGetAnother, "path");
}

std::optional<std::string> base64_decode(std::string_view text) {
    std::string bytes(text.size() / 4 * 3, '\0');
    if (text.empty()) return bytes;
    const auto length = text.size() % 4 != 0 ? -1
                                             : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                                               reinterpret_cast<const unsigned char*>(text.data()),
                                                               static_cast<int>(text.size()));
    if (length < 0) return std::nullopt;
    // It counts padding as bytes.
    const auto padding = static_cast<std::size_t>(std::ranges::count(text.substr(text.size() - 2), '='));
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

std::vector<Token> tokens_in(const glz::generic& object, std::string_view key) {
    std::vector<Token> made;
    const auto* list = whisper::member(object, key);
    if (list == nullptr || !list->is_array()) return made;
    for (const auto& each : list->get_array())
        if (const auto id = whisper::whole_number(each)) made.push_back(*id);
    return made;
}

Result<Tokens> huggingface_tokens(const OnnxLayout& layout) {
    auto tokenizer = whisper::read_tokenizer(layout.tokens, kGetAnother);
    if (!tokenizer) return std::unexpected(std::move(tokenizer).error());
    auto special = SpecialTokens::from_names(tokenizer->added);
    if (!special) return std::unexpected(std::move(special).error());
    Tokens made{.vocabulary = std::move(tokenizer->vocabulary), .special = *std::move(special)};
    const auto file = layout.tokens.parent_path() / "generation_config.json";
    std::error_code error;
    if (!fs::exists(file, error)) return made;
    const auto config = whisper::json_file(file, "which tokens are never decoded", kGetAnother);
    if (!config) return std::unexpected(config.error());
    made.suppressed = tokens_in(*config, "suppress_tokens");
    made.suppressed_at_begin = tokens_in(*config, "begin_suppress_tokens");
    if (const auto* heads = whisper::member(*config, "alignment_heads"); heads != nullptr && heads->is_array()) {
        for (const auto& each : heads->get_array()) {
            if (!each.is_array() || each.get_array().size() != 2) continue;
            const auto layer = whisper::whole_number(each.get_array()[0], 64);
            const auto head = whisper::whole_number(each.get_array()[1], 64);
            if (layer && head) made.alignment_heads.emplace_back(*layer, *head);
        }
    }
    return made;
}

Result<Tokens> sherpa_tokens(const OnnxLayout& layout, const OnnxFile& encoder) {
    const auto text_of = [&](std::string_view key) -> std::string_view {
        const auto found = encoder.metadata.find(key);
        return found == encoder.metadata.end() ? std::string_view{} : std::string_view(found->second);
    };
    if (const auto kind = text_of("model_type"); !kind.starts_with("whisper")) {
        return fail(ErrorCode::model_unsupported,
                    std::format("{} is a model of type \"{}\", not whisper", encoder.path.string(), kind),
                    "give an export of Whisper", "path");
    }
    Tokens made;
    struct Wanted {
        std::string_view key;
        Token* into;
    };
    auto& special = made.special;
    for (const auto& [key, into] :
         {Wanted{"eot", &special.end_of_text}, Wanted{"sot", &special.start}, Wanted{"translate", &special.translate},
          Wanted{"transcribe", &special.transcribe}, Wanted{"sot_lm", &special.start_of_lm},
          Wanted{"sot_prev", &special.previous}, Wanted{"no_speech", &special.no_speech},
          Wanted{"no_timestamps", &special.no_timestamps}}) {
        const auto value = number(text_of(key));
        if (!value || *value > static_cast<int>(whisper::kLargestVocabulary))
            return corrupt(encoder.path, std::format("its metadata has no {}", key));
        *into = *value;
    }
    special.first_timestamp = special.no_timestamps + 1;
    if (text_of("is_multilingual") == "1") {
        const auto split = [](std::string_view list) {
            std::vector<std::string> parts;
            for (const auto each : std::views::split(list, ',')) parts.emplace_back(std::string_view(each));
            return parts;
        };
        const auto ids = split(text_of("all_language_tokens"));
        const auto codes = split(text_of("all_language_codes"));
        if (ids.size() != codes.size()) return corrupt(encoder.path, "its metadata has not a token for each language");
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const auto id = number(ids[i]);
            if (!id) return corrupt(encoder.path, "its metadata has a language without a token");
            special.languages.emplace_back(codes[i], *id);
        }
    }
    const auto text = whisper::whole_file(layout.tokens, "its tokens", kGetAnother);
    if (!text) return std::unexpected(text.error());
    made.vocabulary.resize(static_cast<std::size_t>(special.end_of_text));
    for (const auto line : std::views::split(*text, '\n')) {
        std::string_view each(line);
        if (each.ends_with('\r')) each.remove_suffix(1);
        if (each.empty()) continue;
        const auto space = each.rfind(' ');
        const auto id = space == each.npos ? std::nullopt : number(each.substr(space + 1));
        auto piece = space == each.npos ? std::nullopt : base64_decode(each.substr(0, space));
        if (!id || !piece) return corrupt(layout.tokens, std::format("\"{}\" is no token", each.substr(0, 40)));
        if (static_cast<std::size_t>(*id) < made.vocabulary.size())
            made.vocabulary[static_cast<std::size_t>(*id)] = *std::move(piece);
    }
    return made;
}

class OnnxSource final : public WhisperSource {
public:
    explicit OnnxSource(OnnxLayout layout) : layout_(std::move(layout)) {}

    Result<void> open() {
        for (auto& [path, file] : {std::pair{layout_.encoder, &encoder_}, {layout_.decoder, &decoder_}}) {
            auto read = read_onnx_file(path);
            if (!read) return std::unexpected(std::move(read).error());
            *file = *std::move(read);
        }
        auto tokens =
            layout_.kind == OnnxLayout::Kind::sherpa ? sherpa_tokens(layout_, encoder_) : huggingface_tokens(layout_);
        if (!tokens) return std::unexpected(std::move(tokens).error());
        tokens_ = *std::move(tokens);
        Finding(encoder_, "encoder", places_).run();
        Finding(decoder_, "decoder", places_).run();
        return describe();
    }

    const WhisperFileInfo& info() const override { return info_; }

    Result<std::string> read(LoadProgress& progress, const std::stop_token& stop, const TakeTensor& take) override {
        const auto before = stamps();
        std::uint64_t done = 0;
        for (const auto& [name, place] : places_) {
            if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
            auto values = place.weight.read(*place.file);
            if (!values) return std::unexpected(std::move(values).error());
            if (auto taken = take(name, place.weight.shape(), *std::move(values)); !taken)
                return std::unexpected(std::move(taken).error());
            done += place.weight.bytes();
            progress.report(std::min(done, info_.size_bytes), info_.size_bytes);
        }
        auto digest = digest_of_files(progress, stop);
        if (digest && stamps() != before) {
            return fail(ErrorCode::model_corrupt,
                        std::format("{} was written to while it was read", layout_.encoder.parent_path().string()),
                        "let nothing write to the files, then load again", "path");
        }
        return digest;
    }

    Result<Vocabulary> vocabulary() const override { return Vocabulary(tokens_.vocabulary, tokens_.special); }
    std::vector<float> mel_filters() const override {
        return slaney_filters(static_cast<std::size_t>(info_.dimensions.mels));
    }
    std::vector<Token> suppressed() const override { return tokens_.suppressed; }
    std::vector<Token> suppressed_at_begin() const override { return tokens_.suppressed_at_begin; }
    std::vector<std::pair<int, int>> alignment_heads() const override { return tokens_.alignment_heads; }

private:
    [[nodiscard]] std::vector<fs::path> files() const {
        std::vector<fs::path> all{encoder_.path, decoder_.path};
        all.append_range(encoder_.beside);
        all.append_range(decoder_.beside);
        return all;
    }

    [[nodiscard]] std::vector<std::pair<std::uintmax_t, fs::file_time_type>> stamps() const {
        std::vector<std::pair<std::uintmax_t, fs::file_time_type>> all;
        std::error_code ignored;
        for (const auto& file : files())
            all.emplace_back(fs::file_size(file, ignored), fs::last_write_time(file, ignored));
        return all;
    }

    [[nodiscard]] Result<std::string> digest_of_files(LoadProgress& progress, const std::stop_token& stop) const {
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
        EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
        std::vector<char> buffer(1 << 20);
        for (const auto& file : files()) {
            std::ifstream in(file, std::ios::binary);
            while (in) {
                if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
                in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
                EVP_DigestUpdate(digest.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
                progress.beat();
            }
            if (!in.eof())
                return fail(ErrorCode::io_error, std::format("reading {} failed", file.string()),
                            "check the disk (dmesg)", "path");
        }
        std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
        unsigned length = 0;
        EVP_DigestFinal_ex(digest.get(), value.data(), &length);
        return hex_of(std::span(value).first(length));
    }

    [[nodiscard]] int extent(std::string_view name, std::size_t dimension) const {
        const auto found = places_.find(name);
        if (found == places_.end()) return 0;
        const auto shape = found->second.weight.shape();
        return shape.size() > dimension ? static_cast<int>(shape[dimension]) : 0;
    }
    [[nodiscard]] int layers(std::string_view side) const {
        int count = 0;
        while (places_.contains(std::format("{}.blocks.{}.mlp.0.weight", side, count))) ++count;
        return count;
    }

    Result<void> describe() {
        const auto name = layout_.encoder.parent_path().string();
        const int width = extent("encoder.conv1.weight", 0);
        info_.dimensions = {.vocabulary = extent("decoder.token_embedding.weight", 0),
                            .mels = extent("encoder.conv1.weight", 1),
                            .audio_frames = extent("encoder.positional_embedding", 0),
                            .text_positions = extent("decoder.positional_embedding", 0),
                            .width = width,
                            .heads = width / static_cast<int>(kHeadWidth),
                            .encoder_layers = layers("encoder"),
                            .decoder_layers = layers("decoder")};
        // Of a model of no layers everything is missing that the first would have.
        auto least = info_.dimensions;
        least.encoder_layers = std::max(1, least.encoder_layers);
        least.decoder_layers = std::max(1, least.decoder_layers);
        for (const auto& [tensor, shape] : expected_tensors(least)) {
            if (places_.contains(tensor)) continue;
            return fail(ErrorCode::model_unsupported,
                        std::format("the graphs in {} do not show which weights are Whisper's {}", name, tensor),
                        "use files as optimum or sherpa-onnx export them, without fusing operators; or the model in "
                        "whisper.cpp's or CTranslate2's format",
                        "path");
        }
        if (auto sane = check_dimensions(info_.dimensions, name); !sane) return sane;
        const auto& special = tokens_.special;
        if (special.no_timestamps >= info_.dimensions.vocabulary ||
            static_cast<std::size_t>(special.end_of_text) != tokens_.vocabulary.size())
            return corrupt(layout_.tokens, "it is not the tokenizer of these weights");
        const bool sherpa = layout_.kind == OnnxLayout::Kind::sherpa;
        info_.format = sherpa ? "onnx (sherpa-onnx)" : "onnx (Hugging Face)";
        info_.quantization = places_.at("decoder.blocks.0.mlp.0.weight").weight.type();
        std::error_code ignored;
        for (const auto& file : files()) info_.size_bytes += fs::file_size(file, ignored);
        info_.tensors = places_.size();
        for (const auto& [tensor, place] : places_) {
            std::uint64_t count = 1;
            for (const auto each : place.weight.shape()) count *= static_cast<std::uint64_t>(each);
            info_.parameters += count;
        }
        for (const auto& [code, token] : special.languages) info_.languages.push_back(code);
        if (info_.languages.empty()) info_.languages = {"en"};
        info_.files = {{"encoder_file", layout_.encoder.filename().string()},
                       {"decoder_file", layout_.decoder.filename().string()},
                       {"tokens_file", layout_.tokens.filename().string()}};
        return {};
    }

    const OnnxLayout layout_;
    OnnxFile encoder_{};
    OnnxFile decoder_{};
    Places places_{};
    Tokens tokens_{};
    WhisperFileInfo info_{};
};

}  // namespace

Result<std::unique_ptr<WhisperSource>> open_onnx_source(const OnnxLayout& layout) {
    auto source = std::make_unique<OnnxSource>(layout);
    if (auto opened = source->open(); !opened) return std::unexpected(std::move(opened).error());
    return source;
}

}  // namespace hotmic::onnx
