/// libcurl, as it is begun wherever somebody is asked.
#pragma once

#include <curl/curl.h>  // IWYU pragma: export

#include <memory>

namespace hotmic::store {

struct CurlDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Curl = std::unique_ptr<CURL, CurlDeleter>;

/// A handle; null where there can be none. The first call starts the library. Any thread.
[[nodiscard]] Curl new_curl();

/// Has it trust the authorities in the file that CURL_CA_BUNDLE or SSL_CERT_FILE names, as curl's own program does; the
/// library by itself does not look.
void use_named_authorities(CURL* handle);

}  // namespace hotmic::store
