#include <fstream>

#include "support/onnx_message.hpp"
#include "support/transducer_test_folder.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;
using namespace onnx_message;

constexpr std::int64_t kBins = 80;
constexpr std::int64_t kChunk = 41;
constexpr std::int64_t kShift = 32;
constexpr std::int64_t kSubsampling = 8;
constexpr std::int64_t kFrames = kShift / kSubsampling;
constexpr std::int64_t kWords = 10;
constexpr std::int64_t kPieces = kWords + 2;  // one that is no text, A to J, and nothing
constexpr std::int64_t kBlank = kPieces - 1;
constexpr std::int64_t kTextWidth = kPieces + 1;  // of the decoder, which the joiner cuts
constexpr std::int64_t kLayers = 2;               // of the decoder
constexpr std::int64_t kHidden = 4;
constexpr float kSaid = 10;

void write_encoder(const fs::path& file, const NemoTestFolder& how) {
    const std::int64_t one = how.rows ? -1 : 1;
    std::string graph;
    graph += node("ReduceMean", {"audio_signal"}, "mean", integers("axes", {1, 2}) + integer("keepdims", 1));
    graph += node("Greater", {"mean", "quiet"}, "sounds") + floats("quiet", {}, {-12});
    graph += node("Cast", {"sounds"}, "gate", integer("to", kFloat));
    // One word a chunk at its first frame, as the state counts; or two.
    graph += node("Mul", {"cache_last_channel_len", "each"}, "words_before");
    graph += node("Mod", {"words_before", "words"}, "step") + node("Add", {"step", "first"}, "piece");
    graph += node("OneHot", {"piece", "pieces", "levels"}, "row");
    if (how.pairs) {
        graph += node("Add", {"piece", "first"}, "second");
        graph += node("OneHot", {"second", "pieces", "lower_levels"}, "second_row");
        graph += node("Add", {"row", "second_row"}, "both") +
                 floats("lower_levels", {2}, {0, how.faint ? 0.3F * kSaid : 0.8F * kSaid});
    }
    graph += node("Reshape", {how.pairs ? "both" : "row", "row_shape"}, "rows");
    graph += node("Mul", {"rows", "mask"}, "frames") + node("Mul", {"frames", "gate"}, "said");
    graph += node("Add", {"said", "otherwise"}, "outputs");
    std::vector<float> mask(kFrames, 0);
    mask[0] = 1;
    std::vector<float> otherwise(kPieces * kFrames, 0);
    for (std::int64_t frame = 0; frame < kFrames; ++frame)
        otherwise[static_cast<std::size_t>(kBlank * kFrames + frame)] = kSaid / 2;
    graph += floats("mask", {1, 1, kFrames}, mask) + floats("otherwise", {1, kPieces, kFrames}, otherwise);
    graph += whole("each", {}, {how.pairs ? 2 : 1}) + whole("words", {}, {kWords}) + whole("first", {}, {1});
    graph += whole("pieces", {}, {kPieces}) + floats("levels", {2}, {0, kSaid});
    graph += whole("row_shape", {3}, {-1, kPieces, 1});
    graph += node("Div", {"length", "subsampling"}, "encoded") + whole("subsampling", {}, {kSubsampling});
    graph += node("Min", {"encoded", "frames_given"}, "encoded_lengths") + whole("frames_given", {}, {kFrames});
    graph += input("audio_signal", kFloat, {one, kBins, -1}) + input("length", kInteger, {one});
    graph += output("outputs", kFloat, {one, kPieces, kFrames}) + output("encoded_lengths", kInteger, {one});
    if (how.is_cached) {
        graph += node("Identity", {"cache_last_channel"}, "cache_last_channel_next");
        graph += node("Identity", {"cache_last_time"}, "cache_last_time_next");
        graph += node("Add", {"cache_last_channel_len", "first"}, "cache_last_channel_len_next");
        const Shape channel{one, 2, 3, how.channel_width};
        const Shape time{one, 2, 4, 2};
        graph += input("cache_last_channel", kFloat, channel) + input("cache_last_time", kFloat, time);
        graph += input("cache_last_channel_len", kInteger, {one});
        graph += output("cache_last_channel_next", kFloat, channel) + output("cache_last_time_next", kFloat, time);
        graph += output("cache_last_channel_len_next", kInteger, {one});
    } else {
        graph += whole("cache_last_channel_len", {1}, {0});
    }
    if (!how.more.empty()) graph += input(how.more, kInteger, {one});
    Metadata metadata{{"model_type", "EncDecHybridRNNTCTCBPEModel"},
                      {"vocab_size", std::to_string(kPieces - 1)},
                      {"window_size", std::to_string(kChunk)},
                      {"chunk_shift", std::to_string(kShift)},
                      {"subsampling_factor", std::to_string(kSubsampling)},
                      {"normalize_type", "NA"},
                      {"pred_rnn_layers", std::to_string(kLayers)},
                      {"pred_hidden", std::to_string(kHidden)},
                      {"cache_last_channel_dim1", "2"},
                      {"cache_last_channel_dim2", "3"},
                      {"cache_last_channel_dim3", "3"},
                      {"cache_last_time_dim1", "2"},
                      {"cache_last_time_dim2", "4"},
                      {"cache_last_time_dim3", "2"}};
    for (const auto& [name, text] : how.metadata) metadata[name] = text;
    write_model(file, graph, metadata);
}

void write_decoder(const fs::path& file, const NemoTestFolder& how) {
    // What was said last is not said again, nor the letter before it; after `most_words` nothing is.
    std::vector<float> table(kPieces * kTextWidth, 0);
    for (std::int64_t piece = 1; piece < kBlank; ++piece) {
        table[static_cast<std::size_t>(piece * kTextWidth + piece)] = -2 * kSaid;
        if (how.pairs) table[static_cast<std::size_t>(piece * kTextWidth + piece - 1)] = -2 * kSaid;
    }
    std::vector<float> silenced(kTextWidth, 0);
    silenced[kBlank] = 10 * kSaid;
    std::string graph;
    graph += node("Gather", {"table", "targets"}, "row", integer("axis", 0)) + node("Reshape", {"row", "shape"}, "own");
    graph += floats("table", {kPieces, kTextWidth}, table) + whole("shape", {3}, {-1, kTextWidth, 1});
    graph += node("Add", {"states.1", "one"}, "next_0") + floats("one", {}, {1});
    graph += node("ReduceMean", {"next_0"}, "told", integers("axes", {0, 1, 2}) + integer("keepdims", 1));
    graph +=
        node("Greater", {"told", "limit"}, "is_enough") + node("Cast", {"is_enough"}, "gate", integer("to", kFloat));
    graph += floats("limit", {}, {static_cast<float>(how.most_words) + 1.5F - 1});
    graph += node("Mul", {"gate", "silenced"}, "silence") + floats("silenced", {1, kTextWidth, 1}, silenced);
    graph += node("Add", {"own", "silence"}, "outputs");
    graph += node("Identity", {"target_length"}, "prednet_lengths") + node("Identity", {"onnx::LSTM_3"}, "next_1");
    const Shape state{kLayers, 1, how.hidden};
    graph += input("targets", kInteger32, {-1, -1}) + input("target_length", kInteger32, {-1});
    graph += input("states.1", kFloat, state) + input("onnx::LSTM_3", kFloat, state);
    graph += output("outputs", kFloat, {-1, kTextWidth, -1}) + output("prednet_lengths", kInteger32, {-1});
    graph += output("next_0", kFloat, state) + output("next_1", kFloat, state);
    write_model(file, graph, {});
}

void write_joiner(const fs::path& file) {
    std::vector<std::int64_t> kept;
    for (std::int64_t piece = 0; piece < kPieces; ++piece) kept.push_back(piece);
    std::string graph = node("Gather", {"decoder_outputs", "kept"}, "text", integer("axis", 1));
    graph += node("Add", {"encoder_outputs", "text"}, "sum") + node("Reshape", {"sum", "shape"}, "outputs");
    graph += whole("kept", {kPieces}, kept) + whole("shape", {4}, {-1, 1, 1, kPieces});
    graph +=
        input("encoder_outputs", kFloat, {-1, kPieces, -1}) + input("decoder_outputs", kFloat, {-1, kTextWidth, -1});
    graph += output("outputs", kFloat, {-1, -1, -1, kPieces});
    write_model(file, graph, {});
}

}  // namespace

void write_nemo_folder(const fs::path& folder, const NemoTestFolder& how) {
    fs::create_directories(folder);
    write_encoder(folder / "encoder.onnx", how);
    write_decoder(folder / "decoder.onnx", how);
    write_joiner(folder / "joiner.onnx");
    std::ofstream tokens(folder / "tokens.txt");
    if (!how.tokens.empty()) {
        tokens << how.tokens;
        return;
    }
    tokens << "<unk> 0\n";
    for (char letter = 'A'; letter <= 'J'; ++letter) tokens << "▁" << letter << ' ' << letter - 'A' + 1 << '\n';
    tokens << "<blk> " << kBlank << '\n';
}

}  // namespace hotmic::testing
