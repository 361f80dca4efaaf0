/// Whether a sanitizer is built in. Their shadows take terabytes of address space, and they call what nobody else does.
#pragma once

namespace hotmic::system {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace hotmic::system
