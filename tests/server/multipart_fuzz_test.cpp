/// Forms that nobody wrote: valid ones, damaged at random. Whatever comes, the reader says the same however it comes in
/// pieces, and keeps no more than it may. HOTMIC_FUZZ_ROUNDS says how many, HOTMIC_FUZZ_SEED which.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <format>
#include <random>

#include "server/http/multipart.hpp"

namespace hotmic::http {
namespace {

using Random = std::mt19937_64;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    if (text != nullptr) std::from_chars(text, text + std::string_view(text).size(), otherwise);
    return otherwise;
}

std::size_t up_to(Random& random, std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
}

/// What was read of a form.
class Heard final : public MultipartParser::Handler {
public:
    struct Part {
        std::string name;
        std::optional<std::string> file_name;
        std::string data;
        friend bool operator==(const Part&, const Part&) = default;
    };
    Result<void> begin_part(MultipartParser::Part part) override {
        parts.push_back({std::move(part.name), std::move(part.file_name), {}});
        return {};
    }
    Result<void> part_data(std::string_view bytes) override {
        if (parts.empty()) return fail(ErrorCode::internal, "data of no part");
        parts.back().data += bytes;
        return {};
    }
    std::vector<Part> parts;
};

struct Outcome {
    std::vector<Heard::Part> parts;
    bool taken = false;
    std::string refusal{};
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Reads the form in pieces whose sizes `piece` says.
template <class Piece>
Outcome read(const std::string& boundary, std::string_view form, Piece piece) {
    Heard heard;
    MultipartParser parser(boundary, heard);
    Result<void> going;
    while (going && !form.empty()) {
        // Each piece in a buffer of its own size, so that a sanitizer sees who reads beyond it.
        const std::vector<char> bytes(form.begin(), form.begin() + static_cast<std::ptrdiff_t>(piece(form.size())));
        going = parser.feed({bytes.data(), bytes.size()});
        form.remove_prefix(bytes.size());
    }
    if (going) going = parser.finish();
    return {std::move(heard.parts), going.has_value(), going ? std::string{} : going.error().message};
}

Outcome read_whole(const std::string& boundary, std::string_view form) {
    return read(boundary, form, [](std::size_t left) { return left; });
}

const std::string kBoundary = "----form";
/// Nearly a boundary, twice.
const std::string kFile("RIFF\0\r\n----for\r\n------for\xff", 26);

std::string valid_form() {
    std::string form = "preamble\r\n";
    const auto part = [&](std::string_view head, std::string_view data) {
        form += std::format("--{}\r\n{}\r\n\r\n{}\r\n", kBoundary, head, data);
    };
    part(R"(Content-Disposition: form-data; name="model")", "default");
    part("content-disposition:form-data; name=language", "en");
    part("Content-Disposition: form-data; filename=\"a \\\"b\\\".wav\"; name=\"file\"\r\nContent-Type: audio/wav",
         kFile);
    part(R"(Content-Disposition: form-data; name="prompt"; filename*=UTF-8''a)", "");
    form += std::format("--{}--\r\nepilogue", kBoundary);
    return form;
}

std::string damaged(Random& random, std::string form) {
    static const std::array<std::string, 14> kTokens{"\r\n",
                                                     "\r\n\r\n",
                                                     "--",
                                                     "\r\n--" + kBoundary,
                                                     "--" + kBoundary + "--",
                                                     "\r\n--" + kBoundary + "\r\n\r\n",
                                                     std::string(1, '\0'),
                                                     "\xff\xfe",
                                                     "\"",
                                                     ";",
                                                     "name=",
                                                     "\\",
                                                     std::string(9000, 'A'),
                                                     std::string(300, ' ')};
    for (auto wounds = up_to(random, 4); wounds > 0; --wounds) {
        const auto at = up_to(random, form.size());
        const auto size = std::min(form.size() - at, 1 + up_to(random, 11));
        const auto& token = kTokens[up_to(random, kTokens.size() - 1)];
        switch (up_to(random, 5)) {
            case 0:
                form.insert(at, token);
                break;
            case 1:
                form.erase(at, size);
                break;
            case 2:
                for (std::size_t i = 0; i < size; ++i) form[at + i] = static_cast<char>(up_to(random, 255));
                break;
            case 3: {
                const auto again = form.substr(at, size);
                for (auto times = up_to(random, 200); times > 0; --times) form.insert(at, again);
                break;
            }
            case 4:
                form.replace(at, size, token);
                break;
            default:
                form.erase(at);
        }
    }
    return form;
}

TEST(MultipartFuzz, AFormIsReadAsItWasWritten) {
    const auto heard = read_whole(kBoundary, valid_form());
    EXPECT_TRUE(heard.taken) << heard.refusal;
    ASSERT_EQ(heard.parts.size(), 4U);
    EXPECT_EQ(heard.parts[1], (Heard::Part{"language", std::nullopt, "en"}));
    EXPECT_EQ(heard.parts[2], (Heard::Part{"file", "a \"b\".wav", kFile}));
}

TEST(MultipartFuzz, WhateverComesIsReadTheSameHoweverItIsCut) {
    const auto rounds = setting("HOTMIC_FUZZ_ROUNDS", 40) * 50;
    const auto seed = setting("HOTMIC_FUZZ_SEED", 1);
    const auto form = valid_form();
    std::size_t taken = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        Random random(seed * 1'000'003 + round);
        const auto input = damaged(random, form);
        const auto whole = read_whole(kBoundary, input);
        taken += whole.taken ? 1 : 0;
        EXPECT_LE(whole.parts.size(), MultipartParser::kMostParts);
        const auto most = 1 + up_to(random, 40);
        const auto cut =
            read(kBoundary, input, [&](std::size_t left) { return std::min(left, 1 + up_to(random, most)); });
        ASSERT_EQ(cut.taken, whole.taken) << "round " << round << ": " << cut.refusal << " / " << whole.refusal;
        // What is refused is so at the same place; how much of the last part was told before that may differ.
        if (whole.taken) {
            ASSERT_EQ(cut, whole) << "round " << round;
        }
    }
    EXPECT_GT(taken, rounds / 20) << "most of the damage should leave something to read";
}

TEST(MultipartFuzz, ContentTypesThatNobodyWroteNameABoundaryOrAreRefused) {
    const auto rounds = setting("HOTMIC_FUZZ_ROUNDS", 40) * 50;
    const auto seed = setting("HOTMIC_FUZZ_SEED", 1);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        Random random(seed * 1'000'033 + round);
        const auto boundary =
            MultipartParser::boundary_of(damaged(random, R"(multipart/form-data; charset=utf-8; boundary="----form")"));
        if (boundary) {
            EXPECT_FALSE(boundary->empty());
            EXPECT_LE(boundary->size(), 200U);
        }
    }
}

}  // namespace
}  // namespace hotmic::http
