/// A multipart form with a recording on its way in, whatever becomes of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/form.hpp"
#include "server/http/message.hpp"
#include "server/http/multipart.hpp"
#include "server/http/router.hpp"
#include "server/upload.hpp"

namespace hotmic::server {

/// Takes the form as it comes and calls `whole` when all of it is there; anything wrong with it is answered here. On
/// the connection's loop, until `whole`.
class FormReceiver : public http::BodyReader, public http::MultipartParser::Handler {
public:
    [[nodiscard]] bool take(std::string_view bytes) override;
    void fail(const Error& error) override { refuse(error); }
    void finish() override;
    [[nodiscard]] Result<void> begin_part(http::MultipartParser::Part part) override;
    [[nodiscard]] Result<void> part_data(std::string_view data) override;
    /// Of what the request's key may have under way: held until it is taken, or a refusal.
    void hold(Clients::Ticket share) { share_ = std::move(share); }

protected:
    FormReceiver(Context& context, RequestPtr request, Respond respond, const std::string& boundary);

    /// The form is complete: see `form` and `take_media`.
    virtual void whole() = 0;

    /// Answers with an error, once: what still comes of the body is dropped.
    void refuse(const Error& error, std::optional<int> retry = {});
    /// What the part "file" held; null where there was none. Once.
    [[nodiscard]] std::shared_ptr<const MediaBytes> take_media();
    [[nodiscard]] Clients::Ticket take_share() { return std::move(share_); }

    Context& context_;
    const RequestPtr request_;
    const Respond respond_;
    Form form_;

private:
    enum class Into : std::uint8_t { nothing, field, file };

    http::MultipartParser parser_;
    Clients::Ticket share_;
    std::optional<Upload> upload_;  // the part "file", until it is taken
    Into into_ = Into::nothing;
    std::atomic<bool> refused_{false};
    std::size_t received_ = 0;
};

/// Makes what takes a form; the boundary is that of its parts.
using MakeReceiver = std::function<std::shared_ptr<FormReceiver>(const RequestPtr&, Respond, const std::string&)>;

/// A POST that takes a form with a recording. Who may not come, what is no form and what is too large is refused before
/// its body is read; so is what `check` refuses, where there is one.
void add_form_route(http::Router& router, Context& context, const char* path, MakeReceiver make,
                    std::function<Result<void>(const http::Request&)> check = {});

}  // namespace hotmic::server
