#include "support/transducer_test_folder.hpp"

#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>

#include "support/onnx_message.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;
using namespace onnx_message;

constexpr std::int64_t kPieces = 13;  // nothing, two that are no text, and A to J
constexpr std::int64_t kChunk = 45;
constexpr std::int64_t kShift = 32;
constexpr std::int64_t kFrames = 8;
/// A constant whose numbers are elsewhere.
std::string outside(const TransducerTestFolder& how) {
    return number(1, 1) + number(2, kFloat) + bytes(8, "outside") + entry(13, "location", how.location) +
           entry(13, "offset", std::to_string(how.offset)) + entry(13, "length", "4") + number(14, 1);
}

/// What says where numbers are, put where `how.place` says: into the graph, or behind it in the model.
std::pair<std::string, std::string> hidden(const TransducerTestFolder& how) {
    if (how.location.empty()) return {};
    const auto made = outside(how);
    const auto attribute = [&](unsigned field, const std::string& what) {
        return bytes(5, bytes(1, "value") + bytes(field, what) + number(20, 4));
    };
    if (how.place == "constant") return {bytes(5, made) + node("Identity", {"outside"}, "unused"), {}};
    if (how.place == "attribute") return {node("Constant", {}, "unused", attribute(5, made)), {}};
    if (how.place == "subgraph") return {node("If", {"x"}, "unused", attribute(6, bytes(5, made))), {}};
    if (how.place == "sparse") return {bytes(15, bytes(1, made)), {}};
    if (how.place == "training") return {{}, bytes(20, bytes(2, bytes(5, made)))};
    return {{}, bytes(25, bytes(7, bytes(5, bytes(1, "value") + bytes(5, made))))};
}

void write_encoder(const fs::path& file, const TransducerTestFolder& how) {
    const bool second = how.model_type != "zipformer";
    const auto key = second ? "cached_key_0" : "cached_len_0";
    // One word a chunk, at its first frame, as the state counts; only where there is sound.
    std::vector<float> mask(kFrames, 0);
    mask[0] = how.nan_states ? std::numeric_limits<float>::quiet_NaN() : 1;
    std::vector<float> nothing(kPieces, 0);
    nothing[0] = 5;
    const auto [in_graph, in_model] = hidden(how);
    const auto operation = how.operation.empty() ? "Identity" : how.operation;
    std::string graph;
    graph += node("ReduceMean", {"x"}, "mean", integers("axes", {1, 2}) + integer("keepdims", 1));
    graph += node("Greater", {"mean", "quiet"}, "sounds");
    graph += node("Cast", {"sounds"}, "gate", integer("to", kFloat));
    graph += node("Div", {"processed_lens", "shift"}, "steps");
    graph += node("Mod", {"steps", "words"}, "step");
    graph += node("Add", {"step", "first"}, "piece");
    graph += node("OneHot", {"piece", "pieces", "levels"}, "row");
    graph += node("Reshape", {"row", "row_shape"}, "rows");
    graph += node("Mul", {"rows", "mask"}, "frames");
    graph += node("Mul", {"frames", "gate"}, "said");
    graph += node("Add", {"said", "nothing"}, how.nan_when_loud ? "text" : "encoder_out");
    if (how.nan_when_loud) {
        graph += node("Sub", {"loud", "mean"}, "room");
        graph += node("Sqrt", {"room"}, "root");
        graph += node("Mul", {"root", "zero"}, "no_number");
        graph += node("Add", {"text", "no_number"}, "encoder_out");
        graph += floats("loud", {}, {4}) + floats("zero", {}, {0});
    }
    graph += node("Add", {"processed_lens", "shift"}, "new_processed_lens");
    graph += node(operation, {key}, std::string("new_") + key);
    graph += node("Identity", {"embed_states"}, "new_embed_states");
    graph += floats("quiet", {}, {-12});
    graph += whole("shift", {}, {kShift}) + whole("words", {}, {10}) + whole("first", {}, {3});
    graph += whole("pieces", {}, {kPieces}) + whole("row_shape", {3}, {-1, 1, kPieces});
    graph += floats("levels", {2}, {0, 10}) + floats("mask", {1, kFrames, 1}, mask);
    graph += floats("nothing", {1, 1, kPieces}, nothing);
    const std::int64_t one = how.rows ? -1 : 1;
    auto state = how.state;
    if (how.rows) state[1] = -1;
    graph += input("x", kFloat, {one, kChunk, how.bins}) + input(key, kFloat, state);
    graph += input("embed_states", kFloat, {one, 2}) + input("processed_lens", kInteger, {one});
    graph += output("encoder_out", kFloat, {one, kFrames, kPieces});
    graph += output(std::string("new_") + key, kFloat, how.next_state.empty() ? state : how.next_state);
    graph += output("new_embed_states", kFloat, {one, 2});
    graph += output("new_processed_lens", kInteger, {one});
    Metadata metadata{
        {"model_type", how.model_type}, {"T", std::to_string(kChunk)}, {"decode_chunk_len", std::to_string(kShift)}};
    for (const auto& [name, text] : how.metadata) metadata[name] = text;
    write_model(file, graph + in_graph, metadata, in_model);
}

void write_decoder(const fs::path& file, const TransducerTestFolder& how) {
    std::string graph = node("Gather", {"y", "last"}, "piece", integer("axis", 1));
    graph += node("Gather", {"table", "piece"}, "decoder_out", integer("axis", 0));
    graph += whole("last", {}, {1});
    graph += floats("table", {kPieces, kPieces}, std::vector<float>(kPieces * kPieces, 0));
    graph += input("y", kInteger, {-1, 2}) + output("decoder_out", kFloat, {-1, kPieces});
    Metadata metadata{{"vocab_size", std::to_string(kPieces)}, {"context_size", "2"}};
    for (const auto& [name, text] : how.decoder_metadata) metadata[name] = text;
    write_model(file, graph, metadata);
}

void write_joiner(const fs::path& file) {
    std::string graph = node("Add", {"encoder_out", "decoder_out"}, "logit");
    graph += input("encoder_out", kFloat, {-1, kPieces}) + input("decoder_out", kFloat, {-1, kPieces});
    graph += output("logit", kFloat, {-1, kPieces});
    write_model(file, graph, {{"joiner_dim", std::to_string(kPieces)}});
}

}  // namespace

void write_transducer_folder(const fs::path& folder, const TransducerTestFolder& how) {
    fs::create_directories(folder);
    write_encoder(folder / ("encoder" + how.suffix + ".onnx"), how);
    write_decoder(folder / ("decoder" + how.suffix + ".onnx"), how);
    write_joiner(folder / ("joiner" + how.suffix + ".onnx"));
    std::ofstream tokens(folder / "tokens.txt");
    if (!how.tokens.empty()) {
        tokens << how.tokens;
        return;
    }
    tokens << "<blk> 0\n<sos/eos> 1\n<unk> 2\n";
    for (char letter = 'A'; letter <= 'J'; ++letter) tokens << "▁" << letter << ' ' << letter - 'A' + 3 << '\n';
}

std::vector<float> sound(int chunks, int silent) {
    constexpr std::size_t kSamples = kShift * 160;
    std::vector<float> samples((static_cast<std::size_t>(chunks) + static_cast<std::size_t>(silent)) * kSamples);
    for (std::size_t i = 0; i < static_cast<std::size_t>(chunks) * kSamples; ++i)
        samples[i] =
            0.5F * static_cast<float>(std::sin(0.01 * static_cast<double>(i) * (1 + static_cast<double>(i % 37))));
    return samples;
}

}  // namespace hotmic::testing
