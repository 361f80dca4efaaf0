#include "store/curl.hpp"

#include <cstdlib>
#include <mutex>

namespace hotmic::store {

Curl new_curl() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    return Curl(curl_easy_init());
}

void use_named_authorities(CURL* handle) {
    for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
        const char* file = std::getenv(variable);
        if (file == nullptr || *file == '\0') continue;
        curl_easy_setopt(handle, CURLOPT_CAINFO, file);
        break;
    }
}

}  // namespace hotmic::store
