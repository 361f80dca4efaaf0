#include "store/transfer.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/curl.hpp"
#include "text/trimmed.hpp"

namespace hotmic::store {
namespace {

using Kind = Failed::Kind;
using Clock = std::chrono::steady_clock;

constexpr long kRedirects = 10;
constexpr long kSlowest = 1024;  // bytes a second
constexpr std::size_t kLongestHeader = 4096;
constexpr long kBuffer = 512 * 1024;

std::unexpected<Failed> failed(Kind kind, ErrorCode code, std::string message, std::string remedy = {}) {
    return std::unexpected(Failed{kind, {code, std::move(message), std::move(remedy)}});
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end == text.data()) return std::nullopt;
    return value;
}

std::optional<Bytes> size(std::string_view text) {
    return number(text).transform([](std::uint64_t count) { return Bytes(count); });
}

struct UrlDeleter {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

Url parsed(const std::string& text) {
    Url url(curl_url());
    if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return nullptr;
    return url;
}

std::string part(const Url& url, CURLUPart which) {
    char* text = nullptr;
    if (!url || curl_url_get(url.get(), which, &text, 0) != CURLUE_OK) return {};
    std::string copy(text);
    curl_free(text);
    return copy;
}

}  // namespace

std::string host_of(const std::string& url) {
    const auto host = part(parsed(url), CURLUPART_HOST);
    return host.empty() ? url : host;
}

std::string shown(const std::string& url) {
    const auto all = parsed(url);
    if (!all) return "a malformed URL";
    for (const auto which : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT})
        curl_url_set(all.get(), which, nullptr, 0);
    return part(all, CURLUPART_URL);
}

bool is_protected(const std::string& url) {
    const auto all = parsed(url);
    if (part(all, CURLUPART_SCHEME) == "https") return true;
    const auto host = part(all, CURLUPART_HOST);
    return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

struct Transfer::Impl {
    struct ListDeleter {
        void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    };

    Curl handle;
    std::array<char, CURL_ERROR_SIZE> words{};

    // Of the request under way.
    const Ask* ask = nullptr;
    const Begin* begin = nullptr;
    const Take* take = nullptr;
    Bytes received;  // of all files
    const std::function<void()>* beat = nullptr;
    const std::stop_token* stop = nullptr;
    Reply reply{};
    std::string encoding{};
    std::optional<std::chrono::seconds> retry_after{};
    std::optional<Bytes> length{};  // of this body
    bool begun = false;
    std::optional<Failed> ended_by{};

    /// Called for each line of each response, redirects included.
    void header(std::string_view line) {
        if (line.starts_with("HTTP/")) {
            reply = {};
            encoding.clear();
            retry_after.reset();
            length.reset();
            const auto space = line.find(' ');
            if (space != std::string_view::npos)
                reply.status = static_cast<int>(number(line.substr(space + 1)).value_or(0));
            return;
        }
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || line.size() > kLongestHeader) return;
        std::string name(line.substr(0, colon));
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        const auto value = trimmed(line.substr(colon + 1));
        if (name == "etag" && value.starts_with('"')) reply.etag = value;
        if (name == "content-encoding") encoding = value;
        if (name == "content-length") length = size(value);
        if (name == "content-range") range(value);
        if (name == "retry-after") {
            if (const auto seconds = number(value); seconds && *seconds < 100'000)
                retry_after = std::chrono::seconds(*seconds);
        }
    }

    /// "bytes 100-199/200"
    void range(std::string_view value) {
        if (!value.starts_with("bytes ")) return;
        value.remove_prefix(6);
        reply.begins_at = number(value).value_or(0);
        if (const auto slash = value.find('/'); slash != std::string_view::npos)
            reply.total = size(value.substr(slash + 1));
    }

    /// Before the first byte, or at the end of an empty body.
    std::expected<void, Failed> start() {
        begun = true;
        char* address = nullptr;
        curl_easy_getinfo(handle.get(), CURLINFO_EFFECTIVE_URL, &address);
        reply.host = host_of(address == nullptr ? ask->url : address);
        if (reply.status != 206) {
            reply.begins_at = 0;
            reply.total = length;
        }
        if (auto accepted = check_status(); !accepted) return accepted;
        if (!encoding.empty() && encoding != "identity") {
            return failed(
                Kind::refused, ErrorCode::download_refused,
                std::format("{} sends the file compressed ({}), which was not asked for", reply.host, encoding),
                "its proxy or server must leave Content-Encoding away");
        }
        return (*begin)(reply);
    }

    std::expected<void, Failed> check_status() const {
        const auto says = std::format("{} answers {}", reply.host, reply.status);
        switch (reply.status) {
            case 200:
            case 206:
                return {};
            case 401:
            case 403:
                return failed(Kind::refused, ErrorCode::download_refused, says + ", access is refused",
                              "log in there and set HF_TOKEN, or name another source");
            case 404:
            case 410:
                return failed(Kind::refused, ErrorCode::download_refused, says + ", there is no such file",
                              "check the name, or set HF_ENDPOINT or download.mirrors to a hub that has it");
            case 416:
                return failed(Kind::range, ErrorCode::download_failed,
                              says + ", what is here is no part of what is there");
            case 429:
            case 503: {
                Failed later{
                    Kind::later,
                    {ErrorCode::download_failed, says + (reply.status == 429 ? ", too many requests" : ", it is busy"),
                     "try again later"}};
                later.retry_after = retry_after;
                return std::unexpected(std::move(later));
            }
            default:
                if (reply.status == 408 || reply.status >= 500)
                    return failed(Kind::again, ErrorCode::download_failed, says, "try again later");
                return failed(Kind::refused, ErrorCode::download_refused, says, "check the address");
        }
    }

    bool accept(std::expected<void, Failed> outcome) {
        if (!outcome) ended_by = std::move(outcome).error();
        return !ended_by;
    }

    static std::size_t on_header(char* text, std::size_t size, std::size_t count, void* self) {
        static_cast<Impl*>(self)->header(std::string_view(text, size * count));
        return size * count;
    }

    static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
        auto& mine = *static_cast<Impl*>(self);
        if (!mine.begun && !mine.accept(mine.start())) return CURL_WRITEFUNC_ERROR;
        mine.received += Bytes(size * count);
        if (!mine.accept((*mine.take)(std::span<const char>(bytes, size * count)))) return CURL_WRITEFUNC_ERROR;
        return size * count;
    }

    static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
        auto& mine = *static_cast<Impl*>(self);
        if (*mine.beat) (*mine.beat)();
        if (mine.stop->stop_requested()) {
            mine.ended_by = Failed{Kind::here, {ErrorCode::load_cancelled, "the download was cancelled"}};
        } else if (Clock::now() >= mine.ask->until) {
            mine.ended_by = Failed{Kind::here,
                                   {ErrorCode::download_failed, "the download took longer than it may",
                                    "ask again, it goes on where it was; or raise download.timeout_ms"}};
        }
        return mine.ended_by ? 1 : 0;
    }

    static std::unexpected<Failed> unreachable(const std::string& told) {
        Failed nobody{Kind::again,
                      {ErrorCode::download_failed, told, "check the network, and https_proxy where there is a proxy"}};
        nobody.unreachable = true;
        return std::unexpected(std::move(nobody));
    }

    std::unexpected<Failed> explain(CURLcode code) const {
        const auto host = host_of(ask->url);
        const std::string said = words.front() != '\0' ? words.data() : curl_easy_strerror(code);
        const auto told = std::format("{}: {}", host, said);
        switch (code) {
            case CURLE_URL_MALFORMAT:
                return failed(Kind::refused, ErrorCode::download_refused,
                              std::format("\"{}\" is no URL", shown(ask->url)), "write it as https://HOST/PATH");
            case CURLE_UNSUPPORTED_PROTOCOL:
                return failed(Kind::refused, ErrorCode::download_refused, told,
                              "only https is followed, and http where the first address is http");
            case CURLE_TOO_MANY_REDIRECTS:
                return failed(Kind::refused, ErrorCode::download_refused,
                              std::format("{} redirects more than {} times", host, kRedirects), "check the address");
            case CURLE_PEER_FAILED_VERIFICATION:
            case CURLE_SSL_CACERT_BADFILE:
            case CURLE_SSL_ISSUER_ERROR:
                return failed(Kind::refused, ErrorCode::download_refused, told,
                              "the certificate must be valid; name your own authority with SSL_CERT_FILE");
            case CURLE_COULDNT_RESOLVE_HOST:
            case CURLE_COULDNT_RESOLVE_PROXY:
            case CURLE_COULDNT_CONNECT:
            case CURLE_PROXY:
                return unreachable(told);
            case CURLE_OPERATION_TIMEDOUT:
                if (!begun) return unreachable(told);
                return failed(Kind::again, ErrorCode::download_failed,
                              std::format("{} sent hardly anything for {} s", host, ask->stall.count()),
                              "try again later, or another source");
            default:
                return failed(Kind::again, ErrorCode::download_failed, told, "try again");
        }
    }
};

Transfer::Transfer() : impl_(std::make_unique<Impl>()) {
    impl_->handle = new_curl();
}
Transfer::~Transfer() = default;

Bytes Transfer::received() const noexcept {
    return impl_->received;
}

std::expected<void, Failed> Transfer::run(const Ask& ask, const Begin& begin, const Take& take,
                                          const std::function<void()>& beat, const std::stop_token& stop) {
    auto& mine = *impl_;
    auto* curl = mine.handle.get();
    if (curl == nullptr) return failed(Kind::here, ErrorCode::internal, "libcurl could not be started");
    curl_easy_reset(curl);
    mine.ask = &ask;
    mine.begin = &begin;
    mine.take = &take;
    mine.beat = &beat;
    mine.stop = &stop;
    mine.reply = {};
    mine.begun = false;
    mine.ended_by.reset();
    mine.words.fill('\0');

    curl_easy_setopt(curl, CURLOPT_URL, ask.url.c_str());
    const bool secure = parsed(ask.url) != nullptr && part(parsed(ask.url), CURLUPART_SCHEME) == "https";
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirects);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "hotmic");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 15L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kSlowest);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(std::max<std::int64_t>(1, ask.stall.count())));
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kBuffer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, mine.words.data());
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Impl::on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &mine);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Impl::on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &mine);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Impl::on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &mine);
    use_named_authorities(curl);
    std::unique_ptr<curl_slist, Impl::ListDeleter> headers;
    const auto add = [&](const std::string& line) {
        headers.reset(curl_slist_append(headers.release(), line.c_str()));
    };
    if (ask.from > 0) {
        add(std::format("Range: bytes={}-", ask.from));
        if (!ask.if_range.empty()) add("If-Range: " + ask.if_range);
    }
    if (headers) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    if (!ask.token.empty()) {
        // Of libcurl's own keeping, so that it stays with the first host.
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, ask.token.c_str());
    }

    const auto code = curl_easy_perform(curl);
    if (!mine.ended_by && code == CURLE_OK && !mine.begun) (void)mine.accept(mine.start());
    if (mine.ended_by) return std::unexpected(*std::move(mine.ended_by));
    if (code != CURLE_OK) return mine.explain(code);
    return {};
}

}  // namespace hotmic::store
