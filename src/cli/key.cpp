#include "cli/key.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "cli/commands.hpp"
#include "cli/terminal.hpp"
#include "config/keys_file.hpp"
#include "hotmic/error.hpp"
#include "system/file_io.hpp"

namespace hotmic::cli {
namespace {

namespace fs = std::filesystem;
using config::ApiKey;
using std::chrono::sys_seconds;

constexpr std::size_t kRandomBytes = 32;

/// "hm_" and 256 random bits in the letters of URLs. What it begins with lets scanners for secrets find it.
Result<std::string> random_key() {
    std::array<unsigned char, kRandomBytes> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        return fail(ErrorCode::internal, "the system gives no random bytes");
    std::array<unsigned char, 4 * (kRandomBytes / 3 + 1) + 1> text{};
    const auto size = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
    std::string key = "hm_";
    for (const auto c : std::span(text).first(static_cast<std::size_t>(size))) {
        if (c != '=') key += c == '+' ? '-' : c == '/' ? '_' : static_cast<char>(c);
    }
    return key;
}

Result<sys_seconds> moment_from(const std::string& text) {
    int days = 0;
    const auto* end = text.data() + text.size();
    if (const auto [rest, problem] = std::from_chars(text.data(), end, days);
        problem == std::errc{} && std::string_view(rest, end) == "d" && days > 0)
        return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + std::chrono::days(days);
    for (const auto* format : {"%FT%TZ", "%F"}) {
        std::istringstream stream(text);
        sys_seconds moment;
        if (stream >> std::chrono::parse(format, moment) && stream.peek() == std::istringstream::traits_type::eof())
            return moment;
    }
    return fail(ErrorCode::invalid_request, std::format("--expires: \"{}\" is no moment", text),
                "write 2027-01-01, 2027-01-01T12:00:00Z, or 90d for so many days from now", "--expires");
}

Result<ApiKey> key_of(const KeyFlags& flags) {
    if (!config::is_key_name(flags.name)) {
        return fail(ErrorCode::invalid_request, std::format("\"{}\" cannot be the name of a key", flags.name),
                    "use letters, digits, _ and -, at most 64", "name");
    }
    ApiKey key{.name = flags.name,
               .requests_per_minute = flags.requests_per_minute,
               .max_requests = flags.max_requests,
               .max_streams = flags.max_streams};
    for (const auto scope : config::kScopes) {
        if (std::ranges::contains(flags.scopes, to_string(scope))) key.scopes.push_back(scope);
    }
    if (key.scopes.empty()) key.scopes.push_back(config::Scope::transcribe);
    if (!flags.expires.empty()) {
        const auto expires = moment_from(flags.expires);
        if (!expires) return std::unexpected(expires.error());
        key.expires = *expires;
    }
    return key;
}

bool describes(const KeyFlags& flags) {
    return !flags.scopes.empty() || !flags.expires.empty() || flags.requests_per_minute > 0 || flags.max_requests > 0 ||
           flags.max_streams > 0;
}

/// Whoever reads the file meanwhile sees the old text or the new one.
Result<void> replace(const fs::path& file, const std::string& text) {
    const auto failed = [&] {
        return fail(ErrorCode::io_error, std::format("{} cannot be written: {}", file.string(), std::strerror(errno)),
                    "check that its folder is there and may be written to", "--add");
    };
    auto beside = file.string() + ".XXXXXX";
    const int descriptor = ::mkstemp(beside.data());
    if (descriptor < 0) return failed();
    // Whose it was, so that a server that may read it still may. A new one is for all to read: it holds no keys.
    struct stat old{};
    mode_t mode = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
    if (::stat(file.c_str(), &old) == 0) {
        mode = old.st_mode & ALLPERMS;
        (void)!::fchown(descriptor, old.st_uid, old.st_gid);  // only root may
    }
    (void)::fchmod(descriptor, mode);
    const bool good = system::write_all(descriptor, std::as_bytes(std::span(text))) && ::fsync(descriptor) == 0;
    ::close(descriptor);
    if (good && ::rename(beside.c_str(), file.c_str()) == 0) return {};
    auto problem = failed();
    (void)::unlink(beside.c_str());
    return problem;
}

/// The number of digests that the key of that name then has.
Result<std::size_t> add(const ApiKey& key, const KeyFlags& flags) {
    std::error_code error;
    // A link is followed: it is what it leads to that is replaced.
    const auto file = fs::weakly_canonical(flags.add, error);
    std::string text;
    if (fs::exists(file, error)) {
        if (auto known = config::load_keys(file); !known) return std::unexpected(std::move(known).error());
        std::ifstream stream(file, std::ios::binary);
        text.assign(std::istreambuf_iterator<char>(stream), {});
    }
    const auto has = [&](std::string_view all) {
        const auto keys = config::parse_keys(all, flags.add);
        const auto same = keys ? std::ranges::find(*keys, key.name, &ApiKey::name) : decltype(keys->begin()){};
        return keys && same != keys->end() ? same->digests.size() : 0;
    };
    if (has(text) > 0 && describes(flags)) {
        return fail(ErrorCode::invalid_request,
                    std::format("keys.{} is in {} already, with scopes and limits of its own", key.name, flags.add),
                    "leave those flags out to add another key of that name, or choose another name", "name");
    }
    auto changed = config::with_key(text, key, flags.add);
    if (!changed) return std::unexpected(std::move(changed).error());
    if (auto done = replace(file, *changed); !done) return std::unexpected(std::move(done).error());
    return has(*changed);
}

}  // namespace

int make_key(const KeyFlags& flags) {
    auto key = key_of(flags);
    if (!key) return report(key.error());
    const auto secret = random_key();
    if (!secret) return report(secret.error());
    key->digests = {config::digest_of(*secret)};
    if (flags.add.empty()) {
        complain(std::format("{}\n(the key, told this once; what follows is for server.keys_file)", *secret));
        say(section_of(*key));
        return 0;
    }
    const auto digests = add(*key, flags);
    if (!digests) return report(digests.error());
    say(*secret);
    complain(std::format("(the key, told this once; {} holds its digest, and counts after a reload)", flags.add));
    if (*digests > 1)
        complain(std::format("keys.{} is {} keys now: take the first out of its sha256 when nobody uses it any more",
                             key->name, *digests));
    return 0;
}

}  // namespace hotmic::cli
