/// Hot words as an automaton that a search walks beside its pieces.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "asr/providers/onnx/transducer/pieces.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic::onnx {

/// Aho, Corasick: "Efficient string matching", 1975, over the letters of the phrases and not over their pieces, so that
/// it does not matter into which pieces a model takes a word apart. Every letter that goes on with a phrase is given a
/// bonus; a phrase that is not said to its end, and ends where a word does, gives all of it back. Letters are compared
/// without case.
///
/// One thread at a time.
class HotwordGraph {
public:
    using Node = std::uint32_t;
    static constexpr Node kRoot = 0;
    /// For each piece of a phrase, where the phrase does not say it: in natural logarithms.
    static constexpr double kUsualBoost = 1.5;

    struct Step {
        Node to = kRoot;
        float bonus = 0;  ///< of the piece, less what is given back
    };

    /// `table` outlives this.
    HotwordGraph(std::span<const Hotword> hotwords, const Pieces& table);

    /// By piece: where it leads from `from`, and what it gives.
    [[nodiscard]] std::span<const Step> steps(Node from);
    /// What is taken back when nothing follows.
    [[nodiscard]] double owed(Node at) const { return nodes_[at].is_end ? 0 : nodes_[at].score; }
    /// Phrases with letters that the model has not.
    [[nodiscard]] int unwritable() const noexcept { return unwritable_; }

private:
    struct Child {
        char letter;
        Node node;
    };
    struct Entry {
        std::vector<Child> children{};
        Node fallback = kRoot;  ///< the longest other beginning of a phrase that it ends with
        float gain = 0;         ///< of its letter
        float score = 0;        ///< given so far, and not yet for good
        bool is_end = false;
        std::vector<Step> steps{};  ///< once somebody was here
    };

    void add(const std::string& letters, double boost);
    void connect();
    [[nodiscard]] Node child(Node at, char letter) const;
    [[nodiscard]] Node follow(Node from, char letter) const;

    const Pieces& table_;
    std::vector<std::string> letters_;  // by piece, as compared
    std::vector<Entry> nodes_;
    int unwritable_ = 0;
};

}  // namespace hotmic::onnx
