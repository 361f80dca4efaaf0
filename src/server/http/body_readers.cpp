#include "server/http/body_readers.hpp"

#include <cstddef>
#include <format>
#include <memory>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/limits.hpp"
#include "server/http/listener.hpp"
#include "server/http/message.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/router.hpp"

namespace hotmic::http {
namespace {

/// Calls the route when the body has ended, and answers with what goes wrong before.
class HandlingReader : public BodyReader {
public:
    HandlingReader(const Route& route, const Service& service, RequestPtr request, Respond respond)
        : request_(std::move(request)), route_(route), service_(service), respond_(std::move(respond)) {}

    void finish() override { route_.handle(request_, respond_); }
    void fail(const Error& error) override { respond_(service_.hooks.failure(error, request_.get())); }

protected:
    const RequestPtr request_;
    const Route& route_;

private:
    const Service& service_;
    const Respond respond_;
};

/// A body that no handler wants.
class Dropped final : public HandlingReader {
public:
    using HandlingReader::HandlingReader;

    bool take(std::string_view bytes) override {
        size_ += bytes.size();
        if (size_ <= kMostDropped) return true;
        fail({ErrorCode::body_too_large, "this request takes no body", "send none"});
        return false;
    }

private:
    std::size_t size_ = 0;
};

/// A body that its handler wants whole.
class Collected final : public HandlingReader {
public:
    using HandlingReader::HandlingReader;

    bool take(std::string_view bytes) override {
        auto& body = request_->body;
        if (body.size() + bytes.size() > route_.most_body) {
            fail({ErrorCode::body_too_large, std::format("the body is over {} bytes", route_.most_body)});
            return false;
        }
        if (!request_->share.grow(bytes.size())) {
            fail(over_budget());
            return false;
        }
        body += bytes;
        return true;
    }
};

}  // namespace

std::shared_ptr<BodyReader> reader_for(const Route& route, const Service& service, RequestPtr request,
                                       Respond respond) {
    if (route.most_body == 0) return std::make_shared<Dropped>(route, service, std::move(request), std::move(respond));
    return std::make_shared<Collected>(route, service, std::move(request), std::move(respond));
}

}  // namespace hotmic::http
