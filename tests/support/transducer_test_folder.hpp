/// Writes a transducer of a few kilobytes in sherpa-onnx's layout, out of nothing: it "hears" one word for each chunk
/// with sound, A, B, C, …, J and so on again, counted by a state of its encoder. So its text tells which chunks it was
/// given, in which order, and whether what it remembers came along.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace hotmic::testing {

struct TransducerTestFolder {
    std::string model_type = "zipformer2";
    std::map<std::string, std::string> metadata{};  ///< of the encoder, in place of what it would have; "-": none
    std::map<std::string, std::string> decoder_metadata{};
    std::string tokens{};                      ///< in place of what tokens.txt would hold
    std::int64_t bins = 80;                    ///< as the encoder's input says
    std::vector<std::int64_t> state{4, 1, 8};  ///< shape of a state that is passed through
    std::vector<std::int64_t> next_state{};    ///< shape it comes out with, if another
    std::string operation{};                   ///< in place of the encoder's Identity
    std::string location{};                    ///< a constant's numbers are in that file
    std::string place = "constant";  ///< which: "constant", "attribute", "subgraph", "sparse", "function", "training"
    std::int64_t offset = 0;         ///< in that file
    bool rows = false;               ///< the encoder takes any number of streams at once
    bool nan_when_loud = false;      ///< and gives no numbers for one that is louder than `sound`
    bool nan_states = false;         ///< the encoder gives frames that are no numbers
    std::string suffix{};            ///< of the files' names, e.g. ".int8"
};

/// The same as NeMo exports it: a fast-conformer that is aware of its cache. Its decoder counts what was said, in a
/// state of its own, and lets nothing be said twice in a row. sherpa-onnx 1.13 hears the same with such folders.
struct NemoTestFolder {
    std::map<std::string, std::string> metadata{};  ///< of the encoder, in place of what it would have; "-": none
    bool rows = false;                              ///< the encoder takes any number of streams at once
    bool pairs = false;              ///< each chunk has two words at the same frame, the second behind the first only
    bool faint = false;              ///< and that is not quite loud enough
    int most_words = 1'000'000;      ///< after which the decoder lets nothing more be said
    std::int64_t hidden = 4;         ///< of the decoder's states, as its inputs say
    std::int64_t channel_width = 3;  ///< of the encoder's first state, as its input says
    std::string more{};              ///< an input of the encoder that the reference has not
    bool is_cached = true;           ///< else it hears audio whole
    std::string tokens{};            ///< in place of what tokens.txt would hold
};

/// Makes `folder` and fills it.
void write_nemo_folder(const std::filesystem::path& folder, const NemoTestFolder& how = {});
void write_transducer_folder(const std::filesystem::path& folder, const TransducerTestFolder& how = {});

/// `chunks` × 0.32 s of sound, and as many of silence behind it as `silent` says.
[[nodiscard]] std::vector<float> sound(int chunks, int silent = 0);

}  // namespace hotmic::testing
