/// Descriptors of processes (pidfd_open, pidfd_send_signal). glibc's header neither says that these are C nor can be
/// read twice.
#pragma once

extern "C" {
#include <sys/pidfd.h>  // IWYU pragma: export
}
