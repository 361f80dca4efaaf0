#include "server/http/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "hotmic/error.hpp"
#include "system/mutex.hpp"

namespace hotmic::http {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

/// Of TLS 1.2; those of 1.3 are all good.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL";
constexpr std::string_view kProtocol = "\x08http/1.1";

std::unexpected<Error> wrong(const std::string& key, const std::filesystem::path& file, const std::string& what,
                             std::string remedy) {
    return fail(ErrorCode::config_invalid, std::format("{} = \"{}\": {}", key, file.string(), what), std::move(remedy),
                key);
}

Result<void> check_readable(const std::string& key, const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error))
        return wrong(key, file, error ? error.message() : "this is no file", "name a file in PEM format");
    if (!std::ifstream(file))
        return wrong(key, file, "it may not be read", "let this process's user read it, or name another");
    return {};
}

/// Without it, a client that offers HTTP/2 as well would have to guess.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
    unsigned char* chosen = nullptr;
    const auto* const own = reinterpret_cast<const unsigned char*>(kProtocol.data());
    const auto found =
        SSL_select_next_proto(&chosen, size, own, static_cast<unsigned>(kProtocol.size()), offered, offered_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

Tls::Clock::time_point time_of(const ASN1_TIME* time) {
    std::tm parts{};
    ASN1_TIME_to_tm(time, &parts);
    return Tls::Clock::from_time_t(timegm(&parts));
}

}  // namespace

Result<Tls::Loaded> Tls::read(const TlsFiles& files) {
    constexpr const char* kCertificate = "server.tls_certificate";
    constexpr const char* kKey = "server.tls_key";
    constexpr const char* kClients = "server.tls_client_ca";
    if (auto fine = check_readable(kCertificate, files.certificate); !fine) return std::unexpected(fine.error());
    if (auto fine = check_readable(kKey, files.key); !fine) return std::unexpected(fine.error());

    Loaded made{.context = std::make_shared<ssl::context>(ssl::context::tls_server)};
    auto& context = *made.context;
    auto* const native = context.native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(native, kCiphers);
    SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_alpn_select_cb(native, &choose_protocol, nullptr);
    // A key with a passphrase would make the library ask for it in the terminal.
    context.set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); });

    error_code ec;
    context.use_certificate_chain_file(files.certificate.string(), ec);
    if (ec)
        return wrong(kCertificate, files.certificate, "it holds no certificate in PEM format: " + ec.message(),
                     "begin it with the server's own certificate, \"-----BEGIN CERTIFICATE-----\"");
    context.use_private_key_file(files.key.string(), ssl::context::pem, ec);
    if (ec && ERR_GET_LIB(static_cast<unsigned long>(ec.value())) == ERR_LIB_X509)
        return wrong(kKey, files.key, "it does not belong to the certificate " + files.certificate.string(),
                     "name the key that the certificate was made for");
    if (ec)
        return wrong(kKey, files.key, "it holds no private key in PEM format without a passphrase: " + ec.message(),
                     "`openssl pkey -in KEY -out PLAIN` takes a passphrase away");
    const auto* const certificate = SSL_CTX_get0_certificate(native);
    made.expires = time_of(X509_get0_notAfter(certificate));
    if (made.expires < Clock::now()) {
        return wrong(kCertificate, files.certificate,
                     std::format("the certificate expired at {:%F %T} UTC",
                                 std::chrono::floor<std::chrono::seconds>(made.expires)),
                     "renew it");
    }
    if (!files.client_ca.empty()) {
        if (auto fine = check_readable(kClients, files.client_ca); !fine) return std::unexpected(fine.error());
        context.load_verify_file(files.client_ca.string(), ec);
        if (ec)
            return wrong(kClients, files.client_ca, "it holds no certificate in PEM format: " + ec.message(),
                         "name the certificate of the authority that signs those of clients");
        SSL_CTX_set_client_CA_list(native, SSL_load_client_CA_file(files.client_ca.c_str()));
        context.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
        // Sessions that are resumed are asked again.
        SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>("hotmic"), 6);
    }
    return made;
}

Result<std::shared_ptr<Tls>> Tls::load(TlsFiles files) {
    auto loaded = read(files);
    if (!loaded) return std::unexpected(std::move(loaded).error());
    return std::shared_ptr<Tls>(new Tls(std::move(files), *std::move(loaded)));
}

Result<void> Tls::reload() {
    auto fresh = read(files_);
    if (!fresh) return std::unexpected(std::move(fresh).error());
    const Lock lock(mutex_);
    loaded_ = *std::move(fresh);
    return {};
}

std::shared_ptr<ssl::context> Tls::context() const {
    const Lock lock(mutex_);
    return loaded_.context;
}

Tls::Clock::time_point Tls::expires() const {
    const Lock lock(mutex_);
    return loaded_.expires;
}

}  // namespace hotmic::http
