/// Words out of the pieces that a transducer emitted.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "asr/providers/onnx/transducer/pieces.hpp"
#include "asr/providers/onnx/transducer/search.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {

/// Words with their times and probabilities (the mean of their pieces', geometrically). A transducer says when it was
/// sure of a piece, not where that began and ended, so times are good to about a tenth of a second. `frame`:
/// from one frame to the next; no word ends after `length`.
[[nodiscard]] std::vector<Word> words_of(std::span<const EmittedPiece> pieces, const Pieces& table, Seconds frame,
                                         Seconds length);

/// Whether it ends with a whole character; some pieces are bytes.
[[nodiscard]] bool is_whole(const Word& word);

/// Joined, with spaces where the script has them.
[[nodiscard]] std::string text_of(std::span<const Word> words);

/// Words grouped into segments wherever the speaker pauses. `with_words` keeps the words in them.
[[nodiscard]] std::vector<Segment> segments_of(std::vector<Word> words, bool with_words);

}  // namespace hotmic::onnx
