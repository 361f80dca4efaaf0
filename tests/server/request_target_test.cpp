#include "server/http/request_target.hpp"

#include <gtest/gtest.h>

namespace hotmic::http {
namespace {

TEST(RequestTarget, IsAPathWithAQuery) {
    Request request;
    ASSERT_TRUE(set_target(request, "/v1/models/a%20b?x=1&y=%41"));
    EXPECT_EQ(request.target, "/v1/models/a%20b?x=1&y=%41");
    EXPECT_EQ(request.path, "/v1/models/a b");
    EXPECT_EQ(request.parameter("y"), "A");
}

TEST(RequestTarget, TheHostOfAUrlCountsMoreThanTheField) {
    Request request{.host = "field"};
    ASSERT_TRUE(set_target(request, "HTTP://target:80/v2?a=b"));
    EXPECT_EQ(request.host, "target:80");
    EXPECT_EQ(request.target, "/v2?a=b");
    ASSERT_TRUE(set_target(request, "https://bare"));
    EXPECT_EQ(request.path, "/");
}

TEST(RequestTarget, AStarIsForOptionsOnly) {
    Request options{.method = Method::options};
    EXPECT_TRUE(set_target(options, "*"));
    Request get;
    EXPECT_FALSE(set_target(get, "*"));
}

TEST(RequestTarget, WhatIsNeitherPathNorUrlIsRefused) {
    for (const auto* target : {"", "v1", "ftp://host/", "example.org:443", "http://host?a=b"}) {
        Request request;
        EXPECT_FALSE(set_target(request, target)) << target;
    }
}

}  // namespace
}  // namespace hotmic::http
