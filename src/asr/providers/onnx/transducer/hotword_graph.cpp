#include "asr/providers/onnx/transducer/hotword_graph.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/providers/onnx/transducer/letter_case.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic::onnx {
namespace {

/// A boost is for a piece, and pieces have about so many letters.
constexpr double kLettersOfPiece = 2;
constexpr char kWordBegins = ' ';

/// Scripts that are written without spaces.
bool stands_close(std::string_view character) {
    return !character.empty() && static_cast<unsigned char>(character.front()) >= 0xE2;
}

std::vector<std::string_view> characters_of(std::string_view text) {
    std::vector<std::string_view> characters;
    while (!text.empty()) {
        std::size_t length = 1;
        while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) ++length;
        characters.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return characters;
}

/// The phrase in the characters that `known` has: words behind spaces, and those without spaces as they are. What is
/// neither letter nor known parts words or is left out, as "-" and "." are. Nothing: it has a letter that is not known.
std::string spelled(const std::string& phrase, const std::vector<std::string>& known) {
    std::string text;
    bool begins = true;
    for (const auto character : characters_of(lower_case(phrase))) {
        const bool has = std::ranges::binary_search(known, character);
        if (has && character != " ") {
            if (begins && !stands_close(character)) text += kWordBegins;
            text += character;
            begins = false;
        } else if (character == "." || character == "'") {
            continue;
        } else if (character.size() == 1 && std::isalnum(static_cast<unsigned char>(character.front())) == 0) {
            begins = true;
        } else if (!has) {
            return {};
        }
    }
    return text;
}

}  // namespace

HotwordGraph::HotwordGraph(std::span<const Hotword> hotwords, const Pieces& table) : table_(table), nodes_(1) {
    std::vector<std::string> known;
    for (std::size_t piece = 0; piece < table.size(); ++piece) {
        const auto& entry = table[static_cast<Piece>(piece)];
        auto letters = lower_case(entry.bytes);
        for (const auto character : characters_of(letters)) known.emplace_back(character);
        if (entry.begins_word) letters.insert(letters.begin(), kWordBegins);
        letters_.push_back(std::move(letters));
    }
    std::ranges::sort(known);
    known.erase(std::ranges::unique(known).begin(), known.end());
    for (const auto& [phrase, boost] : hotwords) {
        if (const auto letters = spelled(phrase, known); !letters.empty())
            add(letters, boost > 0 ? boost : kUsualBoost);
        else
            ++unwritable_;
    }
    connect();
}

HotwordGraph::Node HotwordGraph::child(Node at, char letter) const {
    const auto& children = nodes_[at].children;
    const auto found = std::ranges::find(children, letter, &Child::letter);
    return found == children.end() ? kRoot : found->node;
}

void HotwordGraph::add(const std::string& letters, double boost) {
    const auto gain = static_cast<float>(boost / kLettersOfPiece);
    Node at = kRoot;
    for (const char letter : letters) {
        auto next = child(at, letter);
        if (next == kRoot) {
            next = static_cast<Node>(nodes_.size());
            nodes_[at].children.push_back({letter, next});
            nodes_.emplace_back();
        }
        // Of two phrases that begin alike the one that is boosted more counts; that a word begins is no sign of one.
        if (letter != kWordBegins) nodes_[next].gain = std::max(nodes_[next].gain, gain);
        at = next;
    }
    nodes_[at].is_end = true;
}

void HotwordGraph::connect() {
    std::queue<Node> next;
    next.push(kRoot);
    while (!next.empty()) {
        const auto at = next.front();
        next.pop();
        // What a phrase gave is given for good behind its end: a longer one counts anew from there.
        const float before = nodes_[at].is_end ? 0 : nodes_[at].score;
        for (const auto& [letter, node] : nodes_[at].children) {
            nodes_[node].score = before + nodes_[node].gain;
            if (at != kRoot) nodes_[node].fallback = follow(nodes_[at].fallback, letter);
            next.push(node);
        }
    }
}

HotwordGraph::Node HotwordGraph::follow(Node from, char letter) const {
    while (true) {
        if (const auto next = child(from, letter); next != kRoot) return next;
        if (from == kRoot) return kRoot;
        from = nodes_[from].fallback;
    }
}

std::span<const HotwordGraph::Step> HotwordGraph::steps(Node from) {
    if (!nodes_[from].steps.empty()) return nodes_[from].steps;
    std::vector<Step> steps;
    steps.reserve(letters_.size());
    for (std::size_t piece = 0; piece < letters_.size(); ++piece) {
        const auto& entry = table_[static_cast<Piece>(piece)];
        Node to = from;
        for (const char letter : letters_[piece]) to = follow(to, letter);
        const bool whole = nodes_[from].is_end && (entry.begins_word || entry.stands_alone);
        steps.push_back({to, nodes_[to].score - (whole ? 0 : nodes_[from].score)});
    }
    nodes_[from].steps = std::move(steps);
    return nodes_[from].steps;
}

}  // namespace hotmic::onnx
