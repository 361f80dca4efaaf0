/// The providers that the conformance suite is run against. A new provider is one entry more in the .cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hotmic/provider.hpp"

namespace hotmic::testing {

struct ProviderUnderTest {
    std::string name;
    std::function<std::shared_ptr<Provider>()> make;
    std::function<ModelSpec()> spec;  ///< two slots; may write the model file on first use
    std::string expected;             ///< what the built-in clip must yield…
    double accepted_error_rate = 0;   ///< …within this word error rate
    std::string wrong_file;           ///< what is no model of this provider
    ErrorCode wrong_file_error = ErrorCode::model_not_recognized;
    bool in_process = true;
};

[[nodiscard]] std::vector<ProviderUnderTest> providers_under_test();

}  // namespace hotmic::testing
