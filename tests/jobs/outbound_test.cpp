#include "jobs/outbound.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "jobs/signature.hpp"

namespace hotmic::jobs {
namespace {

bool is_public_text(const std::string& text) {
    sockaddr_in v4{.sin_family = AF_INET};
    if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) return is_public(reinterpret_cast<const sockaddr&>(v4));
    sockaddr_in6 v6{.sin6_family = AF_INET6};
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    return is_public(reinterpret_cast<const sockaddr&>(v6));
}

TEST(Outbound, OnlyPublicAddressesArePublic) {
    for (const auto* each : {"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "198.20.0.1",
                             "223.255.255.255", "2606:4700::1111", "2a00:1450::1"})
        EXPECT_TRUE(is_public_text(each)) << each;
    for (const auto* each :
         {"0.0.0.0",      "10.0.0.1",       "100.64.0.1",    "127.0.0.1",        "127.255.0.3",     "169.254.169.254",
          "172.16.0.1",   "172.31.255.255", "192.0.0.1",     "192.0.2.7",        "192.168.1.1",     "198.18.0.1",
          "198.51.100.1", "203.0.113.1",    "224.0.0.1",     "240.0.0.1",        "255.255.255.255", "::",
          "::1",          "::ffff:8.8.8.8", "::8.8.8.8",     "64:ff9b::808:808", "fc00::1",         "fd12::1",
          "fe80::1",      "ff02::1",        "2002:7f00:1::", "2001::1",          "2001:db8::1"})
        EXPECT_FALSE(is_public_text(each)) << each;
}

bool is_taken(const std::string& url, const AllowedHosts& allowed) {
    const auto checked = check_url(url, allowed, "jobs.url_hosts", "url");
    if (checked) return true;
    EXPECT_EQ(checked.error().code, ErrorCode::invalid_request);
    return false;
}

TEST(Outbound, UrlsLeadToAllowedHostsOnly) {
    const AllowedHosts hosts{"example.com", "*.media.example.org", "127.0.0.1"};
    for (const auto* url : {"https://example.com/a", "https://EXAMPLE.com:8443/a?b", "https://example.com./",
                            "https://a.media.example.org/", "https://a.b.media.example.org/", "http://127.0.0.1:9/x"})
        EXPECT_TRUE(is_taken(url, hosts)) << url;
    for (const auto* url :
         {"", "x", "example.com", "https://", "https://other.com/", "https://notexample.com/", "https://a.example.com/",
          "https://media.example.org/", "https://evilmedia.example.org/", "ftp://example.com/a", "file:///etc/passwd",
          "https://user@example.com/", "https://user:word@example.com/", "https://example.com@other.com/",
          "http://a.media.example.org/", "https://exa mple.com/", "https://example.com\n.other.com/"})
        EXPECT_FALSE(is_taken(url, hosts)) << url;
    EXPECT_FALSE(is_taken("https://example.com/" + std::string(3000, 'a'), hosts));
    EXPECT_FALSE(is_taken("https://example.com/", {}));
    EXPECT_TRUE(is_taken("https://anything.at.all/", {"*"}));
    EXPECT_FALSE(is_taken("http://anything.at.all/", {"*"}));
}

TEST(Outbound, AnAddressThatIsNotPublicIsNotAskedUnlessItIsWrittenOut) {
    for (const auto* url : {"https://127.0.0.1:1/", "https://[::1]:1/", "https://localhost:1/"}) {
        const auto asked = call({.url = url, .allowed = {"*"}});
        ASSERT_FALSE(asked);
        EXPECT_TRUE(asked.error().message.contains("does not ask")) << url << ": " << asked.error().message;
    }
    const auto asked = call({.url = "https://127.0.0.1:1/", .allowed = {"127.0.0.1"}});
    ASSERT_FALSE(asked);
    EXPECT_FALSE(asked.error().message.contains("does not ask")) << asked.error().message;
}

TEST(Signature, IsThatOfTheStandardsExample) {
    const auto key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    ASSERT_TRUE(key);
    EXPECT_EQ(signature_of(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
              "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Signature, ASecretThatIsNoneIsRefused) {
    for (const auto* secret : {"", "whsec_", "secret", "whsec_abc", "whsec_====", "whsec_MfKQ9r8GKYqrTwjU",
                               "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La!aSw"})
        EXPECT_EQ(webhook_key(secret).error().code, ErrorCode::config_invalid) << secret;
    EXPECT_EQ(webhook_key("whsec_" + std::string(88, 'A')).error().code, ErrorCode::config_invalid);  // 66 bytes
}

}  // namespace
}  // namespace hotmic::jobs
