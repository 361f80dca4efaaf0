// How the sanitizers behave in every program of ours, however it is started: by ctest, by pytest or by hand. The file
// is part of each executable of the presets asan and tsan; ASAN_OPTIONS and its kin in the environment still win.

#define HOTMIC_SUPPRESSIONS(file) "suppressions=" HOTMIC_SANITIZERS_DIR "/" file

extern "C" {

const char* __asan_default_options() {
    return "detect_stack_use_after_return=1:strict_init_order=1";
}

const char* __lsan_default_options() {
    return HOTMIC_SUPPRESSIONS("lsan.supp") ":print_suppressions=0";
}

const char* __ubsan_default_options() {
    return HOTMIC_SUPPRESSIONS("ubsan.supp") ":print_stacktrace=1:halt_on_error=1";
}

const char* __tsan_default_options() {
    return HOTMIC_SUPPRESSIONS("tsan.supp") ":second_deadlock_stack=1:print_suppressions=0";
}

}  // extern "C"
