#include "support/whisper_test_model.hpp"

#include <ggml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <span>
#include <stdexcept>

#include "support/half.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t kTextCtx = 448;
constexpr std::int32_t kAudioCtx = 1500;
constexpr std::int32_t kBins = 201;
constexpr std::int32_t kF32 = 0;
constexpr std::int32_t kF16 = 1;

/// Token numbers as the engine assigns them.
struct Tokens {
    explicit Tokens(const WhisperTestModel& model) : shift(model.multilingual ? 1 : 0), more(model.large_v3 ? 1 : 0) {}
    std::int32_t shift;
    std::int32_t more;  // languages than the first vocabulary had
    [[nodiscard]] std::int32_t count() const { return 51864 + shift + more; }
    [[nodiscard]] std::int32_t end_of_text() const { return 50256 + shift; }
    [[nodiscard]] std::int32_t start() const { return 50257 + shift; }
    [[nodiscard]] static std::int32_t english() { return 50259; }
    [[nodiscard]] static std::int32_t german() { return 50261; }
    [[nodiscard]] std::int32_t translate() const { return 50358 + more; }
    [[nodiscard]] std::int32_t transcribe() const { return 50359 + more; }
    [[nodiscard]] std::int32_t first_timestamp() const { return 50363 + shift + more; }
};
constexpr std::int32_t kFirstWord = 1000;  // where the sentences' words are in the vocabulary

/// How a file says that its matrices are of `type`.
std::int32_t file_type(ggml_type type) {
    switch (type) {
        case GGML_TYPE_F32:
            return GGML_FTYPE_ALL_F32;
        case GGML_TYPE_F16:
            return GGML_FTYPE_MOSTLY_F16;
        case GGML_TYPE_Q4_0:
            return GGML_FTYPE_MOSTLY_Q4_0 + GGML_QNT_VERSION * GGML_QNT_VERSION_FACTOR;
        case GGML_TYPE_Q4_1:
            return GGML_FTYPE_MOSTLY_Q4_1 + GGML_QNT_VERSION * GGML_QNT_VERSION_FACTOR;
        case GGML_TYPE_Q5_1:
            return GGML_FTYPE_MOSTLY_Q5_1 + GGML_QNT_VERSION * GGML_QNT_VERSION_FACTOR;
        case GGML_TYPE_Q5_0:
            return GGML_FTYPE_MOSTLY_Q5_0 + GGML_QNT_VERSION * GGML_QNT_VERSION_FACTOR;
        case GGML_TYPE_Q8_0:
            return GGML_FTYPE_MOSTLY_Q8_0 + GGML_QNT_VERSION * GGML_QNT_VERSION_FACTOR;
        default:
            throw std::invalid_argument("no test model is made of such weights");
    }
}

ggml_type type_named(const std::string& name) {
    for (const auto type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0,
                            GGML_TYPE_Q5_1, GGML_TYPE_Q8_0}) {
        if (name == ggml_type_name(type)) return type;
    }
    throw std::invalid_argument("no test model has weights called " + name);
}

class Writer {
public:
    Writer(const fs::path& path, const std::string& weights)
        : out_(path, std::ios::binary | std::ios::trunc), weights_(type_named(weights)) {
        if (!out_) throw std::runtime_error("cannot write " + path.string());
    }
    void number(std::int32_t value) { out_.write(reinterpret_cast<const char*>(&value), sizeof value); }
    void bytes(std::span<const char> data) { out_.write(data.data(), static_cast<std::streamsize>(data.size())); }

    void tensor_header(const std::string& name, std::int32_t type, const std::vector<std::int32_t>& shape) {
        number(static_cast<std::int32_t>(shape.size()));
        number(static_cast<std::int32_t>(name.size()));
        number(type);
        for (const auto extent : shape) number(extent);
        bytes(name);
    }
    static std::uint64_t size_of(std::int32_t type, const std::vector<std::int32_t>& shape) {
        std::uint64_t bytes = ggml_row_size(static_cast<ggml_type>(type), shape.at(0));
        for (std::size_t i = 1; i < shape.size(); ++i) bytes *= static_cast<std::uint64_t>(shape[i]);
        return bytes;
    }
    [[nodiscard]] ggml_type weights() const { return weights_; }
    /// All zero. Skipped over, so that the file is sparse.
    void zeros(const std::string& name, std::int32_t type, const std::vector<std::int32_t>& shape) {
        tensor_header(name, type, shape);
        out_.seekp(static_cast<std::streamoff>(size_of(type, shape) - 1), std::ios::cur);
        out_.put('\0');
    }
    void ones(const std::string& name, std::int32_t count) {
        tensor_header(name, kF32, {count});
        const std::vector<float> values(static_cast<std::size_t>(count), 1.0F);
        out_.write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    }
    /// A matrix given where it is not zero: row → values.
    void sparse_rows(const std::string& name, std::int32_t width, std::int32_t rows,
                     const std::map<std::int32_t, std::vector<float>>& set) {
        tensor_header(name, weights_, {width, rows});
        if (weights_ != GGML_TYPE_F16) return quantized_rows(width, rows, set);
        std::vector<std::uint16_t> row(static_cast<std::size_t>(width));
        for (std::int32_t i = 0; i < rows; ++i) {
            std::ranges::fill(row, std::uint16_t{0});
            if (const auto found = set.find(i); found != set.end())
                std::ranges::transform(found->second, row.begin(), half);
            out_.write(reinterpret_cast<const char*>(row.data()),
                       static_cast<std::streamsize>(row.size() * sizeof(std::uint16_t)));
        }
    }
    void random(const std::string& name, std::int32_t type, const std::vector<std::int32_t>& shape) {
        tensor_header(name, type, shape);
        std::string noise(size_of(type, shape), '\0');
        for (auto& byte : noise) byte = static_cast<char>(engine_());
        bytes(noise);
    }
    std::uint64_t position() { return static_cast<std::uint64_t>(out_.tellp()); }

private:
    void quantized_rows(std::int32_t width, std::int32_t rows, const std::map<std::int32_t, std::vector<float>>& set) {
        const std::string zeros(ggml_row_size(weights_, width), '\0');
        for (std::int32_t i = 0; i < rows; ++i) {
            const auto found = set.find(i);
            auto row = zeros;
            if (found != set.end()) {
                auto values = found->second;
                values.resize(static_cast<std::size_t>(width));
                ggml_quantize_chunk(weights_, values.data(), row.data(), 0, 1, width, nullptr);
            }
            bytes(row);
        }
    }

    std::ofstream out_;
    const ggml_type weights_;
    std::mt19937 engine_{42};
};

/// Which token follows which. A sentence ends with the time it ends at, as those of trained
/// models do: the engine moves on by it.
std::vector<std::pair<std::int32_t, std::int32_t>> chain_of(const WhisperTestModel& model) {
    const Tokens tokens(model);
    std::vector<std::pair<std::int32_t, std::int32_t>> chain;
    const auto say = [&](std::int32_t after, std::int32_t first_word, std::size_t words, std::int32_t end) {
        auto last = after;
        for (std::size_t i = 0; i < words; ++i) {
            chain.emplace_back(last, first_word + static_cast<std::int32_t>(i));
            last = first_word + static_cast<std::int32_t>(i);
        }
        chain.emplace_back(last, end);
        chain.emplace_back(
            end, end + 1);  // times come in pairs: after a single one the engine passes over the rest of a window
        chain.emplace_back(end + 1, tokens.end_of_text());
    };
    const auto start = tokens.first_timestamp();
    const auto end = start + static_cast<std::int32_t>(std::lround(model.ends_at * 50));
    if (!model.multilingual) {
        chain.emplace_back(tokens.start(), start);
        say(start, kFirstWord, model.sentence.size(), end);
        return chain;
    }
    chain.emplace_back(tokens.start(), model.language == "de" ? Tokens::german() : Tokens::english());
    chain.emplace_back(tokens.transcribe(), start);
    say(start, kFirstWord, model.sentence.size(), end);
    // Not by way of a timestamp: the start's is followed by the other sentence.
    say(tokens.translate(), kFirstWord + static_cast<std::int32_t>(model.sentence.size()), model.translation.size(),
        end + 2);
    return chain;
}

std::int32_t mels_of(const WhisperTestModel& model) {
    return model.large_v3 ? 128 : 80;
}

void write_head(Writer& out, const WhisperTestModel& model) {
    const Tokens tokens(model);
    out.number(0x67676d6c);
    const auto heads = model.n_audio_state / 64;
    const auto mels = mels_of(model);
    for (const auto value : {tokens.count(), kAudioCtx, model.n_audio_state, heads, model.n_audio_layer, kTextCtx,
                             model.n_audio_state, heads, model.n_text_layer, mels, file_type(out.weights())}) {
        out.number(value);
    }
    out.number(mels);
    out.number(kBins);
    std::vector<float> filters(static_cast<std::size_t>(mels) * kBins);
    const std::int32_t apart = (kBins - 1) / mels;
    for (std::int32_t mel = 0; mel < mels; ++mel)
        filters[static_cast<std::size_t>(mel * kBins + mel * apart + 1)] = 0.02F;
    out.bytes({reinterpret_cast<const char*>(filters.data()), filters.size() * sizeof(float)});
}

void write_vocabulary(Writer& out, const WhisperTestModel& model) {
    std::vector<std::string> words = model.sentence;
    if (model.multilingual) words.insert(words.end(), model.translation.begin(), model.translation.end());
    const std::int32_t count = 50257;
    out.number(count);
    for (std::int32_t id = 0; id < count; ++id) {
        std::string text = " t" + std::to_string(id);
        if (id < 256) text = std::string(1, static_cast<char>(id));
        if (id >= kFirstWord && id < kFirstWord + static_cast<std::int32_t>(words.size()))
            text = words[static_cast<std::size_t>(id - kFirstWord)];
        out.number(static_cast<std::int32_t>(text.size()));
        out.bytes(text);
    }
}

/// Directions in the model's space, nearly at right angles: one a token of the chain.
std::map<std::int32_t, std::vector<float>> directions(const WhisperTestModel& model) {
    std::mt19937 random(7);
    std::map<std::int32_t, std::vector<float>> found;
    for (const auto& [from, to] : chain_of(model)) {
        for (const auto token : {from, to}) {
            auto& direction = found[token];
            if (!direction.empty()) continue;
            for (std::int32_t i = 0; i < model.n_audio_state; ++i)
                direction.push_back((random() & 1) != 0U ? 0.125F : -0.125F);
        }
    }
    return found;
}

void write_tensors(Writer& out, const WhisperTestModel& model, bool noise) {
    const auto state = model.n_audio_state;
    const auto weights = out.weights();  // of what the engine's own tool quantises: matrices of two dimensions
    const auto matrix = [&](const std::string& name, std::int32_t type, const std::vector<std::int32_t>& shape) {
        if (noise)
            out.random(name, type, shape);
        else
            out.zeros(name, type, shape);
    };
    const auto norm = [&](const std::string& name) {
        if (noise)
            out.random(name + ".weight", kF32, {state});
        else
            out.ones(name + ".weight", state);
        out.zeros(name + ".bias", kF32, {state});
    };
    const auto attention = [&](const std::string& name) {
        matrix(name + ".query.weight", weights, {state, state});
        out.zeros(name + ".query.bias", kF32, {state});
        matrix(name + ".key.weight", weights, {state, state});
        matrix(name + ".value.weight", weights, {state, state});
        out.zeros(name + ".value.bias", kF32, {state});
        matrix(name + ".out.weight", weights, {state, state});
        out.zeros(name + ".out.bias", kF32, {state});
    };
    const auto feed_forward = [&](const std::string& name, const std::map<std::int32_t, std::vector<float>>& in,
                                  const std::map<std::int32_t, std::vector<float>>& into) {
        if (in.empty())
            matrix(name + ".0.weight", weights, {state, 4 * state});
        else
            out.sparse_rows(name + ".0.weight", state, 4 * state, in);
        out.zeros(name + ".0.bias", kF32, {4 * state});
        if (into.empty())
            matrix(name + ".2.weight", weights, {4 * state, state});
        else
            out.sparse_rows(name + ".2.weight", 4 * state, state, into);
        out.zeros(name + ".2.bias", kF32, {state});
    };

    matrix("encoder.positional_embedding", kF32, {state, kAudioCtx});
    matrix("encoder.conv1.weight", kF16, {3, mels_of(model), state});
    out.zeros("encoder.conv1.bias", kF32, {1, state});
    matrix("encoder.conv2.weight", kF16, {3, state, state});
    out.zeros("encoder.conv2.bias", kF32, {1, state});
    norm("encoder.ln_post");
    for (std::int32_t i = 0; i < model.n_audio_layer; ++i) {
        const auto block = "encoder.blocks." + std::to_string(i);
        norm(block + ".mlp_ln");
        feed_forward(block + ".mlp", {}, {});
        norm(block + ".attn_ln");
        attention(block + ".attn");
    }

    // Unit k of the first feed-forward layer sees token k of the chain and says the one that follows.
    const auto chain = chain_of(model);
    const auto direction = directions(model);
    std::map<std::int32_t, std::vector<float>> seen;
    std::map<std::int32_t, std::vector<float>> said;
    for (std::int32_t row = 0; row < state; ++row) said[row] = std::vector<float>(static_cast<std::size_t>(4 * state));
    for (std::size_t k = 0; k < chain.size(); ++k) {
        const auto& [from, to] = chain[k];
        seen[static_cast<std::int32_t>(k)] = direction.at(from);
        const auto& next = direction.at(to);
        for (std::size_t row = 0; row < next.size(); ++row) said[static_cast<std::int32_t>(row)][k] = next[row];
    }
    matrix("decoder.positional_embedding", kF32, {state, kTextCtx});
    if (noise)
        out.random("decoder.token_embedding.weight", kF16, {state, 51864});
    else
        out.sparse_rows("decoder.token_embedding.weight", state, Tokens(model).count(), direction);
    norm("decoder.ln");
    for (std::int32_t i = 0; i < model.n_text_layer; ++i) {
        const auto block = "decoder.blocks." + std::to_string(i);
        norm(block + ".mlp_ln");
        if (i == 0 && !noise)
            feed_forward(block + ".mlp", seen, said);
        else
            feed_forward(block + ".mlp", {}, {});
        norm(block + ".attn_ln");
        attention(block + ".attn");
        norm(block + ".cross_attn_ln");
        attention(block + ".cross_attn");
    }
}

void overwrite(const fs::path& path, std::uint64_t position, std::int32_t value) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(position));
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

WhisperTestModel official_shape(const std::string& name) {
    static const std::map<std::string, WhisperTestModel> shapes{
        {"tiny.en", {}},
        {"tiny", {.multilingual = true}},
        {"base.en", {.n_audio_state = 512, .n_audio_layer = 6, .n_text_layer = 6}},
        {"small.en", {.n_audio_state = 768, .n_audio_layer = 12, .n_text_layer = 12}},
        {"medium.en", {.n_audio_state = 1024, .n_audio_layer = 24, .n_text_layer = 24}},
        {"large-v3",
         {.multilingual = true, .large_v3 = true, .n_audio_state = 1280, .n_audio_layer = 32, .n_text_layer = 32}}};
    const auto type = name.find("-q");
    const auto found = shapes.find(name.substr(0, type));
    if (found == shapes.end()) throw std::invalid_argument("no test model is called " + name);
    auto model = found->second;
    if (type != std::string::npos) model.weights = name.substr(type + 1);
    return model;
}

std::string text_of(const std::vector<std::string>& sentence) {
    std::string text;
    for (const auto& word : sentence) text += word;
    return text.starts_with(' ') ? text.substr(1) : text;
}

void write_whisper_model(const fs::path& path, const WhisperTestModel& model) {
    Writer out(path, model.weights);
    write_head(out, model);
    write_vocabulary(out, model);
    write_tensors(out, model, false);
}

void write_damaged_whisper_model(const fs::path& path, Damage damage) {
    std::uint64_t after_head = 0;
    std::uint64_t after_vocabulary = 0;
    {
        const WhisperTestModel model;
        Writer out(path, model.weights);
        write_head(out, model);
        after_head = out.position();
        write_vocabulary(out, model);
        after_vocabulary = out.position();
        if (damage != Damage::ends_after_vocabulary) write_tensors(out, model, damage == Damage::random_weights);
    }
    switch (damage) {
        case Damage::cut_in_last_tensor:
            fs::resize_file(path, fs::file_size(path) - 100);
            break;
        case Damage::million_layers:
            overwrite(path, sizeof(std::int32_t) * 5, 1'000'000);
            break;
        case Damage::bad_tensor_type:
            overwrite(path, after_vocabulary + 2 * sizeof(std::int32_t), 999);
            break;
        case Damage::endless_token:
            overwrite(path, after_head + sizeof(std::int32_t), -1);
            break;
        case Damage::trailing_bytes:
            fs::resize_file(path, fs::file_size(path) + 64);
            break;
        case Damage::ends_after_vocabulary:
        case Damage::random_weights:
            break;
    }
}

}  // namespace hotmic::testing
