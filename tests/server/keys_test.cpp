#include "server/keys.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>

#include "requests.hpp"
#include "text/hex.hpp"

namespace hotmic::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;
using What = Clients::What;

http::Request with_key(const std::string& key) {
    return request_with("Authorization", "Bearer " + key);
}

/// A server's keys, whose file and clocks the test holds.
class KeysTest : public testing::Test {
protected:
    KeysTest() {
        std::string folder = (std::filesystem::temp_directory_path() / "hotmic-keys-XXXXXX").string();
        folder_ = ::mkdtemp(folder.data());
    }
    ~KeysTest() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path file() const { return folder_ / "keys.toml"; }
    void write(const std::string& text) const { std::ofstream(file()) << text; }
    /// A section of the file.
    static std::string section(const std::string& name, const std::string& key, const std::string& scopes,
                               const std::string& more = "") {
        return std::format("[keys.{}]\nsha256 = '{}'\nscopes = [{}]\n{}\n", name, hex_of(config::digest_of(key)),
                           scopes, more);
    }
    Keys& load(const config::Server& server = {}) {
        auto loaded = Keys::load(server, {.steady = [this] { return now; }, .wall = [this] { return today; }});
        EXPECT_TRUE(loaded) << loaded.error().describe();
        keys_ = *std::move(loaded);
        return *keys_;
    }
    Keys& load_file(const std::string& text) {
        write(text);
        return load({.keys_file = file()});
    }

    http::Clock::time_point now{};
    std::chrono::system_clock::time_point today = std::chrono::sys_days(2026y / 11 / 27);

private:
    std::filesystem::path folder_;
    std::unique_ptr<Keys> keys_;
};

ErrorCode code_of(const auto& result) {
    return result ? ErrorCode::internal : result.error().code;
}

TEST_F(KeysTest, WithoutKeysEverybodyMayTranscribeAndMeasure) {
    const auto& keys = load();
    for (const std::string sent : {"", "Bearer anything"}) {
        auto request = request_with("Authorization", sent);
        EXPECT_TRUE(keys.authorize(request, Scope::transcribe));
        EXPECT_TRUE(keys.authorize(request, Scope::metrics));
        EXPECT_TRUE(keys.authorize_anybody(request));
        EXPECT_EQ(request.caller, "");
    }
}

TEST_F(KeysTest, WithoutAnAdminKeyOnlyThisMachineAdministers) {
    const auto& keys = load();
    auto request = request_with();
    request.host = "localhost:8090";
    EXPECT_EQ(code_of(keys.authorize(request, Scope::admin)), ErrorCode::unauthorized);
    request.from_this_machine = true;
    EXPECT_TRUE(keys.authorize(request, Scope::admin));
    request.headers.add("X-Forwarded-For", "10.0.0.1");
    EXPECT_EQ(code_of(keys.authorize(request, Scope::admin)), ErrorCode::unauthorized);
}

TEST_F(KeysTest, KeysOfTheConfigurationAreNamedAfterTheirPlace) {
    const auto& keys = load({.api_keys = {"first-key", "second"}, .admin_key = "root"});
    auto request = with_key("second");
    EXPECT_TRUE(keys.authorize(request, Scope::transcribe));
    EXPECT_EQ(request.caller, "server.api_keys.2");
    auto admin = with_key("root");
    EXPECT_TRUE(keys.authorize(admin, Scope::admin));
    EXPECT_EQ(admin.caller, "server.admin_key");
}

TEST_F(KeysTest, AKeyComesInEachOfTheWaysThatClientsHave) {
    const auto& keys = load({.api_keys = {"key"}});
    const auto may = [&](const std::string& header, const std::string& value) {
        auto request = request_with(header, value);
        return keys.authorize(request, Scope::transcribe).has_value();
    };
    for (const std::string sent :
         {"bearer key", "BEARER key", "Bearer key", "Bearer  key", "Bearer key ", "Bearer key\t"})
        EXPECT_TRUE(may("Authorization", sent)) << sent;
    EXPECT_TRUE(may("api-key", "key"));
    EXPECT_TRUE(may("API-Key", " key"));
    EXPECT_TRUE(may("X-EchoPanel-Token", "key"));

    auto socket = request_with("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.key");
    EXPECT_FALSE(keys.authorize(socket, Scope::transcribe));
    EXPECT_TRUE(keys.authorize_socket(socket, Scope::transcribe));
    for (const std::string name : {"api_key", "token"}) {
        auto request = request_with();
        request.query = {{name, "key"}};
        EXPECT_FALSE(keys.authorize(request, Scope::transcribe));
        EXPECT_TRUE(keys.authorize_socket(request, Scope::transcribe));
    }
}

TEST_F(KeysTest, NothingElseWillDo) {
    const auto& keys = load({.api_keys = {"first-key", "second"}});
    for (const std::string sent : {"", "Bearer ", "Bearer", "Bearer third", "Bearer first-ke", "Bearer first-keys",
                                   "first-key", "Basic first-key", "Bearerfirst-key", "Bearer first-key second"}) {
        auto request = request_with("Authorization", sent);
        const auto known = keys.authorize(request, Scope::transcribe);
        ASSERT_FALSE(known) << '"' << sent << '"';
        EXPECT_EQ(known.error().code, ErrorCode::unauthorized);
        for (const std::string key : {"first-key", "second"}) EXPECT_FALSE(known.error().describe().contains(key));
        EXPECT_EQ(request.caller, "");
    }
}

TEST_F(KeysTest, TheDigestOfAKeyIsNoKey) {
    const auto& keys = load_file(section("ci", "secret", "'transcribe'"));
    auto request = with_key(hex_of(config::digest_of("secret")));
    EXPECT_EQ(code_of(keys.authorize(request, Scope::transcribe)), ErrorCode::unauthorized);
}

TEST_F(KeysTest, AScopeIsGoodForWhatItSaysAndForNothingElse) {
    const auto& keys = load_file(section("ci", "c", "'transcribe'") + section("prometheus", "p", "'metrics'") +
                                 section("ops", "o", "'admin'"));
    const std::map<Scope, std::string> good{{Scope::transcribe, "c"}, {Scope::metrics, "p"}, {Scope::admin, "o"}};
    for (const auto& [scope, key_of_scope] : good) {
        for (const std::string key : {"c", "p", "o"}) {
            auto request = with_key(key);
            const auto known = keys.authorize(request, scope);
            EXPECT_NE(request.caller, "");
            EXPECT_EQ(known.has_value(), key == key_of_scope) << key << " " << to_string(scope);
            if (known) continue;
            EXPECT_EQ(known.error().code, ErrorCode::key_forbidden);
            EXPECT_THAT(known.error().message,
                        AllOf(HasSubstr(request.caller), HasSubstr(std::format("the scope {}", to_string(scope)))));
            EXPECT_TRUE(keys.authorize_anybody(request));
        }
    }
    auto nobody = request_with();
    nobody.from_this_machine = true;
    nobody.host = "localhost";
    for (const auto scope : config::kScopes)
        EXPECT_EQ(code_of(keys.authorize(nobody, scope)), ErrorCode::unauthorized) << to_string(scope);
}

TEST_F(KeysTest, AFileWithoutKeysOpensNothing) {
    const auto& keys = load_file("");
    auto request = request_with();
    EXPECT_EQ(code_of(keys.authorize(request, Scope::transcribe)), ErrorCode::unauthorized);
    EXPECT_EQ(code_of(keys.authorize(request, Scope::admin)), ErrorCode::unauthorized);
    EXPECT_TRUE(keys.authorize(request, Scope::metrics));
}

TEST_F(KeysTest, AKeyEndsWhenItExpires) {
    const auto& keys = load_file(section("ci", "c", "'transcribe', 'metrics'", "expires = 2026-11-28"));
    auto request = with_key("c");
    today += 24h - 1s;
    EXPECT_TRUE(keys.authorize(request, Scope::transcribe));
    today += 1s;
    const auto known = keys.authorize(request, Scope::transcribe);
    ASSERT_FALSE(known);
    EXPECT_EQ(known.error().code, ErrorCode::unauthorized);
    EXPECT_THAT(known.error().message, HasSubstr("ci has expired, on 2026-11-28T00:00:00Z"));
    EXPECT_EQ(code_of(keys.authorize_anybody(request)), ErrorCode::unauthorized);
    // What it closed stays closed.
    auto nobody = request_with();
    EXPECT_EQ(code_of(keys.authorize(nobody, Scope::metrics)), ErrorCode::unauthorized);
}

TEST_F(KeysTest, RequestsOfAMinuteComeBackEvenly) {
    auto& keys = load_file(section("ci", "c", "'transcribe'", "requests_per_minute = 4"));
    auto request = with_key("c");
    ASSERT_TRUE(keys.authorize(request, Scope::transcribe));
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(keys.begin(request, What::request));
    const auto refused = keys.begin(request, What::request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::rate_limited);
    EXPECT_THAT(refused.error().message, HasSubstr("ci may begin 4 requests a minute"));

    now += 5s;
    http::Response response;
    response.headers.set("x-hotmic-error", "rate_limited");
    keys.tell_limits(request, response);
    EXPECT_EQ(response.headers.get("x-ratelimit-limit-requests"), "4");
    EXPECT_EQ(response.headers.get("x-ratelimit-remaining-requests"), "0");
    EXPECT_EQ(response.headers.get("x-ratelimit-reset-requests"), "55s");
    EXPECT_EQ(response.headers.get("retry-after"), "10");

    now += 10s;
    EXPECT_TRUE(keys.begin(request, What::stream));
    EXPECT_FALSE(keys.begin(request, What::request));
    now += 1h;
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(keys.begin(request, What::request));
    EXPECT_FALSE(keys.begin(request, What::request));
}

TEST_F(KeysTest, WhatIsUnderWayIsLimitedByKind) {
    auto& keys = load_file(section("ci", "c", "'transcribe'", "max_requests = 2\nmax_streams = 1") +
                           section("cd", "d", "'transcribe'"));
    auto request = with_key("c");
    ASSERT_TRUE(keys.authorize(request, Scope::transcribe));
    auto one = keys.begin(request, What::request);
    auto two = keys.begin(request, What::request);
    auto stream = keys.begin(request, What::stream);
    EXPECT_TRUE(one && two && stream);
    EXPECT_THAT(keys.begin(request, What::request).error().message, HasSubstr("ci has 2 requests under way"));
    EXPECT_EQ(code_of(keys.begin(request, What::stream)), ErrorCode::rate_limited);
    http::Response response;
    response.headers.set("x-hotmic-error", "rate_limited");
    keys.tell_limits(request, response);
    EXPECT_EQ(response.headers.get("retry-after"), "1");
    EXPECT_FALSE(response.headers.has("x-ratelimit-limit-requests"));

    *one = {};
    EXPECT_TRUE(keys.begin(request, What::request));
    auto other = with_key("d");
    ASSERT_TRUE(keys.authorize(other, Scope::transcribe));
    EXPECT_TRUE(keys.begin(other, What::stream));
}

TEST_F(KeysTest, AKeyIsReplacedWhileBothAreGood) {
    auto& keys = load_file(section("ci", "old", "'transcribe'", "requests_per_minute = 2\nmax_requests = 1"));
    auto old = with_key("old");
    auto fresh = with_key("new");
    ASSERT_TRUE(keys.authorize(old, Scope::transcribe));
    auto under_way = keys.begin(old, What::request);
    EXPECT_TRUE(under_way);

    write(
        std::format("[keys.ci]\nsha256 = ['{}', '{}']\nscopes = ['transcribe']\nrequests_per_minute = 2\n"
                    "max_requests = 1\n",
                    hex_of(config::digest_of("old")), hex_of(config::digest_of("new"))));
    EXPECT_FALSE(keys.authorize(fresh, Scope::transcribe));
    ASSERT_TRUE(keys.reload());
    EXPECT_TRUE(keys.authorize(old, Scope::transcribe));
    EXPECT_TRUE(keys.authorize(fresh, Scope::transcribe));
    EXPECT_EQ(fresh.caller, "ci");
    EXPECT_EQ(code_of(keys.begin(fresh, What::request)), ErrorCode::rate_limited);  // they are one
    *under_way = {};
    EXPECT_TRUE(keys.begin(fresh, What::request));
    EXPECT_EQ(code_of(keys.begin(fresh, What::request)), ErrorCode::rate_limited);

    write(section("ci", "new", "'transcribe'"));
    ASSERT_TRUE(keys.reload());
    EXPECT_FALSE(keys.authorize(old, Scope::transcribe));
    EXPECT_TRUE(keys.authorize(fresh, Scope::transcribe));
}

TEST_F(KeysTest, ABadFileChangesNothing) {
    auto& keys = load_file(section("ci", "c", "'transcribe'"));
    write("[keys.ci]\nsha256 = 'oops'\n");
    const auto read = keys.reload();
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().describe(), AllOf(HasSubstr("line 2, column 10"), Not(HasSubstr("oops"))));
    std::filesystem::remove(file());
    EXPECT_FALSE(keys.reload());
    auto request = with_key("c");
    EXPECT_TRUE(keys.authorize(request, Scope::transcribe));
}

TEST_F(KeysTest, AKeyCannotBeInBothPlaces) {
    write(section("ci", "c", "'transcribe'"));
    for (const auto& server : {config::Server{.api_keys = {"x", "c"}, .keys_file = file()},
                               config::Server{.admin_key = "c", .keys_file = file()}}) {
        const auto loaded = Keys::load(server);
        ASSERT_FALSE(loaded);
        EXPECT_THAT(loaded.error().describe(), HasSubstr("is also keys.ci in"));
    }
    EXPECT_TRUE(Keys::load({.api_keys = {"twice", "twice"}}));
}

}  // namespace
}  // namespace hotmic::server
