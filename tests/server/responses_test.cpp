#include "server/responses.hpp"

#include <gmock/gmock.h>

#include <glaze/glaze.hpp>

#include "requests.hpp"

namespace hotmic::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(RespondError, IsOpenAisErrorObject) {
    const auto response =
        respond_error({ErrorCode::model_not_found, "there is no model \"x\"", "use another", "model"}, nullptr);
    EXPECT_EQ(response.status, 404);
    EXPECT_THAT(response.headers.get("content-type"), HasSubstr("application/json"));
    EXPECT_EQ(response.body,
              R"({"error":{"message":"there is no model \"x\"; use another","type":"invalid_request_error",)"
              R"("param":"model","code":"model_not_found"}})");
    EXPECT_EQ(response.headers.get("retry-after"), "");
}

TEST(RespondError, WritesAParamThatIsNoneAsNull) {
    const auto response = respond_error({ErrorCode::internal, "it broke"}, nullptr);
    EXPECT_THAT(response.body, HasSubstr(R"("param":null)"));
}

class EveryError : public ::testing::TestWithParam<ErrorSpec> {};

TEST_P(EveryError, HasTheStatusTypeAndCodeOfTheTable) {
    const auto& spec = GetParam();
    const auto request = request_with();
    const auto response = respond_error({spec.code, "message"}, &request, 7);
    EXPECT_EQ(response.status, spec.http_status);
    EXPECT_GE(spec.http_status, 400);
    EXPECT_EQ(response.headers.get("retry-after"), "7");
    EXPECT_EQ(response.headers.get("x-hotmic-error"), spec.name);
    const auto json = glz::read_json<glz::generic>(response.body);
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["error"]["code"].get<std::string>(), spec.name);
    EXPECT_EQ((*json)["error"]["type"].get<std::string>(), spec.openai_type);
}

INSTANTIATE_TEST_SUITE_P(RespondError, EveryError, testing::ValuesIn(error_table().begin(), error_table().end()),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

struct Wait {
    std::optional<Seconds> eta;
    ModelState state;
    int seconds;
};

class RetryAfter : public ::testing::TestWithParam<Wait> {};

TEST_P(RetryAfter, IsWholeSecondsRoundedUpAndAtLeastOne) {
    const auto& [eta, state, seconds] = GetParam();
    Health health;
    health.state = state;
    health.eta = eta;
    EXPECT_EQ(retry_after(health), seconds);
}

INSTANTIATE_TEST_SUITE_P(Responses, RetryAfter,
                         testing::Values(Wait{Seconds(0.0), ModelState::loading, 1},
                                         Wait{Seconds(0.2), ModelState::loading, 1},
                                         Wait{Seconds(1.01), ModelState::warming_up, 2},
                                         Wait{Seconds(30.0), ModelState::error, 30},
                                         Wait{Seconds(1e9), ModelState::loading, 600},
                                         Wait{{}, ModelState::warming_up, 2}, Wait{{}, ModelState::loading, 5}));

TEST(RequestId, IsTheClientsWhereItIsSane) {
    EXPECT_EQ(make_request_id("Trace_1.a-B"), "Trace_1.a-B");
    EXPECT_EQ(make_request_id(std::string(128, 'a')), std::string(128, 'a'));
}

TEST(RequestId, IsOursWhereTheClientsIsNot) {
    for (const std::string& sent : {std::string(), std::string("two words"), std::string("line\nbreak"),
                                    std::string("a\"b"), std::string(129, 'a'), std::string("\xC3\xBC")}) {
        const auto id = make_request_id(sent);
        EXPECT_THAT(id, StartsWith("req-")) << sent;
        EXPECT_EQ(id.size(), 20U);
    }
}

TEST(RequestId, DiffersBetweenRequests) {
    EXPECT_NE(make_request_id(""), make_request_id(""));
}

}  // namespace
}  // namespace hotmic::server
