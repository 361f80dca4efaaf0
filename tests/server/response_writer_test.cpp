#include "server/http/response_writer.hpp"

#include <gtest/gtest.h>

namespace hotmic::http {
namespace {

Response ok(std::string body) {
    Response response{.body = std::move(body)};
    response.headers.add("Content-Type", "text/plain");
    return response;
}

TEST(ResponseWriter, TheHeadSaysHowLongTheBodyIs) {
    EXPECT_EQ(head_of(ok("hello"), {}), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\n");
}

TEST(ResponseWriter, WhetherAnotherRequestMayFollowIsToldWhereItIsNotTheDefault) {
    EXPECT_TRUE(head_of(ok(""), {.keep_alive = false}).contains("\r\nconnection: close\r\n"));
    EXPECT_TRUE(head_of(ok(""), {.keep_alive = true, .is_http_10 = true}).contains("\r\nconnection: keep-alive\r\n"));
    auto own = ok("");
    own.headers.add("Connection", "Upgrade");
    EXPECT_FALSE(head_of(own, {.keep_alive = false}).contains("close"));
}

TEST(ResponseWriter, AnAnswerWithoutBodyHasNoLength) {
    EXPECT_EQ(head_of({.status = 204}, {}), "HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_FALSE(may_have_body(304));
    EXPECT_TRUE(may_have_body(200));
}

TEST(ResponseWriter, APieceOfAStreamIsAChunkAndTheLastOneSaysSo) {
    EXPECT_EQ(framed({.text = "0123456789abcdef!"}, {.is_chunked = true}), "11\r\n0123456789abcdef!\r\n");
    EXPECT_EQ(framed({.text = "a", .last = true}, {.is_chunked = true}), "1\r\na\r\n0\r\n\r\n");
    EXPECT_EQ(framed({.last = true}, {.is_chunked = true}), "0\r\n\r\n");
    EXPECT_EQ(framed({}, {.is_chunked = true}), "") << "an empty chunk would end the body";
    EXPECT_EQ(framed({.text = "a", .last = true}, {}), "a") << "its end is the connection's";
}

}  // namespace
}  // namespace hotmic::http
