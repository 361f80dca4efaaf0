#include "config/keys_file.hpp"

#include <gmock/gmock.h>

#include <format>

#include "text/hex.hpp"

namespace hotmic::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

const std::string kOne = hex_of(digest_of("one"));
const std::string kTwo = hex_of(digest_of("two"));
const std::string kThree = hex_of(digest_of("three"));

std::vector<ApiKey> read(const std::string& text) {
    auto keys = parse_keys(text, "keys.toml");
    EXPECT_TRUE(keys) << keys.error().describe();
    return keys.value_or(std::vector<ApiKey>{});
}

std::string refusal(const std::string& text) {
    const auto keys = parse_keys(text, "keys.toml");
    EXPECT_FALSE(keys) << text;
    if (keys) return {};
    EXPECT_EQ(keys.error().code, ErrorCode::config_invalid);
    EXPECT_EQ(keys.error().param, "server.keys_file");
    return keys.error().describe();
}

std::string with_fields(const std::string& fields) {
    return std::format("[keys.ci]\nsha256 = '{}'\nscopes = ['transcribe']\n{}", kOne, fields);
}

TEST(KeysFile, ADigestIsWhatOtherProgramsMakeOfAKey) {
    EXPECT_EQ(hex_of(digest_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(KeysFile, AKeyHasAllThatItsSectionSays) {
    const auto keys = read(std::format(
        "[keys.ci]\nsha256 = ['{}', '{}']\nscopes = ['transcribe', 'admin']\nrequests_per_minute = 60\nmax_requests = "
        "4\nmax_streams = 2\nexpires = 2027-01-01T01:00:00+01:00\n[keys.prometheus]\nsha256 = '{}'\nscopes = "
        "'metrics'\nexpires = 2027-01-01\n",
        kOne, kTwo, kThree));
    ASSERT_EQ(keys.size(), 2U);
    EXPECT_EQ(keys[0].name, "ci");
    EXPECT_THAT(keys[0].digests, ElementsAre(digest_of("one"), digest_of("two")));
    EXPECT_THAT(keys[0].scopes, ElementsAre(Scope::transcribe, Scope::admin));
    EXPECT_EQ(keys[0].requests_per_minute, 60U);
    EXPECT_EQ(keys[0].max_requests, 4U);
    EXPECT_EQ(keys[0].max_streams, 2U);
    const std::chrono::sys_seconds new_year = std::chrono::sys_days(2027y / 1 / 1);
    EXPECT_EQ(keys[0].expires, new_year);
    EXPECT_THAT(keys[1].scopes, ElementsAre(Scope::metrics));
    EXPECT_EQ(keys[1].expires, new_year);
    EXPECT_EQ(keys[1].requests_per_minute, 0U);
}

TEST(KeysFile, AnEmptyFileHasNoKeys) {
    EXPECT_TRUE(read("").empty());
    EXPECT_TRUE(read("# nobody\n[keys]\n").empty());
}

TEST(KeysFile, WhatIsWrongIsToldWithItsPlace) {
    struct Case {
        std::string text;
        std::string says;
    };
    for (const auto& [text, says] : {
             Case{"[keys.ci\n", "line 1, column"},
             Case{"port = 1\n", "line 1, column 8: there is no section port"},
             Case{"[keys]\nci = 'k'\n", "keys.ci is no section; write [keys.ci]"},
             Case{"keys = 1\n", "keys is no section; write [keys.NAME]"},
             Case{"[keys.'a b']\n", "\"a b\" cannot be the name of a key"},
             Case{"[keys.'server.admin_key']\n", "cannot be the name of a key"},
             Case{"[keys.ci]\nscopes = ['transcribe']\n", "keys.ci has no sha256"},
             Case{std::format("[keys.ci]\nsha256 = '{}'\n", kOne), "keys.ci has no scopes"},
             Case{std::format("[keys.ci]\nsha256 = '{}'\nscopes = []\n", kOne), "keys.ci has no scopes"},
             Case{std::format("[keys.ci]\nsha256 = '{}'\nscopes = ['root']\n", kOne),
                  "line 3, column 11: keys.ci.scopes: there is no scope \"root\"; there are transcribe"},
             Case{with_fields("max_request = 1\n"), "no field max_request; did you mean max_requests?"},
             Case{with_fields("frobnicate = 1\n"), "no field frobnicate; it has sha256"},
             Case{with_fields("max_requests = -1\n"), "keys.ci.max_requests is no whole number from 0"},
             Case{with_fields("max_streams = 1.5\n"), "keys.ci.max_streams is no whole number"},
             Case{with_fields("requests_per_minute = 99999999999\n"), "is no whole number from 0"},
             Case{with_fields("expires = '2027-01-01'\n"), "keys.ci.expires is no moment; write it without quotes"},
             Case{with_fields("expires = 2027-01-01T00:00:00\n"), "does not say in which time zone"},
             Case{with_fields(std::format("[keys.zz]\nsha256 = '{}'\nscopes = 'admin'\n", kOne)),
                  "line 5, column 10: keys.zz.sha256 holds a digest of keys.ci, too"},
             Case{std::format("[keys.ci]\nsha256 = ['{}', '{}']\nscopes = 'admin'\n", kOne, kOne),
                  "keys.ci.sha256 holds a digest twice"},
         }) {
        EXPECT_THAT(refusal(text), AllOf(HasSubstr("keys.toml: line"), HasSubstr(says))) << text;
    }
}

TEST(KeysFile, AKeyInPlaceOfItsDigestIsNotRepeated) {
    for (const std::string field : {"'hm_secret'", "['hm_secret']"})
        EXPECT_THAT(refusal(std::format("[keys.ci]\nsha256 = {}\nscopes = 'admin'\n", field)),
                    AllOf(HasSubstr("64 hexadecimal digits"), HasSubstr("not the key"), Not(HasSubstr("hm_secret"))));
    auto almost = kOne;
    almost[10] = 'g';
    EXPECT_THAT(refusal(std::format("[keys.ci]\nsha256 = '{}'\nscopes = 'admin'\n", almost)),
                HasSubstr("64 hexadecimal digits"));
}

TEST(KeysFile, AKeyIsAddedBelowTheOthers) {
    const ApiKey key{.name = "cd",
                     .digests = {digest_of("two")},
                     .scopes = {Scope::transcribe, Scope::metrics},
                     .requests_per_minute = 60,
                     .max_requests = 4,
                     .max_streams = 2,
                     .expires = std::chrono::sys_days(2027y / 1 / 1) + 90min};
    const auto before = with_fields("# what follows is nothing");
    const auto after = with_key(before, key, "keys.toml");
    ASSERT_TRUE(after) << after.error().describe();
    EXPECT_TRUE(after->starts_with(before + "\n\n[keys.cd]\n"));
    const auto keys = read(*after);
    ASSERT_EQ(keys.size(), 2U);
    const auto& read_back = keys[0].name == "cd" ? keys[0] : keys[1];
    EXPECT_EQ(section_of(read_back), section_of(key));
    EXPECT_EQ(with_key("", key, "keys.toml"), section_of(key));
}

TEST(KeysFile, AKeyOfTheSameNameGetsAnotherDigestAndKeepsAllElse) {
    const ApiKey key{.name = "ci", .digests = {digest_of("two")}, .scopes = {Scope::admin}};
    const auto before = std::format(
        "# Schlüssel für später\n[keys.ci]  # ä\nscopes = 'transcribe' # kept\n{} = '{}'  "
        "# to {} be replaced\n[keys.cd]\nsha256 = '{}'\nscopes = 'admin'\n",
        "sha256", kOne, "ü", kThree);
    const auto after = with_key(before, key, "keys.toml");
    ASSERT_TRUE(after) << after.error().describe();
    auto expected = before;
    const auto old = std::format("'{}'", kOne);
    expected.replace(expected.find(old), old.size(), std::format("[\"{}\", \"{}\"]", kOne, kTwo));
    EXPECT_EQ(*after, expected);

    const auto third = with_key(*after, {.name = "ci", .digests = {digest_of("four")}}, "keys.toml");
    ASSERT_TRUE(third) << third.error().describe();
    EXPECT_THAT(read(*third)[1].digests, ElementsAre(digest_of("one"), digest_of("two"), digest_of("four")));
}

TEST(KeysFile, NothingIsAddedToWhatIsNoFileOfKeys) {
    const ApiKey key{.name = "ci", .digests = {digest_of("two")}, .scopes = {Scope::admin}};
    EXPECT_FALSE(with_key("[server]\n", key, "keys.toml"));
    auto text = with_fields("");
    for (const std::string more : {"2", "3", "4", "5", "6", "7", "8"})
        text = with_key(text, {.name = "ci", .digests = {digest_of(more)}}, "keys.toml").value();
    const auto ninth = with_key(text, key, "keys.toml");
    ASSERT_FALSE(ninth);
    EXPECT_THAT(ninth.error().describe(), HasSubstr("more than 8 digests; take those out"));
}

TEST(KeysFile, AFileThatIsNotThereIsAnError) {
    const auto keys = load_keys("/nowhere/keys.toml");
    ASSERT_FALSE(keys);
    EXPECT_THAT(keys.error().describe(), HasSubstr("/nowhere/keys.toml cannot be read: No such file"));
}

}  // namespace
}  // namespace hotmic::config
