/// TLS of a listener: its certificate, and whose clients may come in.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include "hotmic/error.hpp"
#include "system/mutex.hpp"

namespace boost::asio::ssl {
class context;
}

namespace hotmic::http {

struct TlsFiles {
    std::filesystem::path certificate{};  ///< PEM: the server's, then those between it and its authority
    std::filesystem::path key{};          ///< PEM, without a passphrase
    std::filesystem::path client_ca{};    ///< PEM: who signs certificates of clients; empty: clients need none
};

/// TLS 1.2 with forward secrecy, and 1.3. Any thread.
class Tls {
public:
    using Clock = std::chrono::system_clock;

    /// Errors: config_invalid, naming the key of the configuration whose file is missing, is not what it should be, has
    /// expired, or does not belong to the other.
    [[nodiscard]] static Result<std::shared_ptr<Tls>> load(TlsFiles files);
    /// Reads the files again, for connections from then on. Errors: as `load`; then all stays as it was.
    [[nodiscard]] Result<void> reload();

    [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> context() const;
    /// When the certificate expires.
    [[nodiscard]] Clock::time_point expires() const;

private:
    struct Loaded {
        std::shared_ptr<boost::asio::ssl::context> context{};
        Clock::time_point expires{};
    };
    static Result<Loaded> read(const TlsFiles& files);

    Tls(TlsFiles files, Loaded loaded) : files_(std::move(files)), loaded_(std::move(loaded)) {}

    const TlsFiles files_;
    mutable Mutex mutex_;
    Loaded loaded_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic::http
