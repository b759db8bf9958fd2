import numpy as np
import pandas as pd
import pytest

from roleshift.errors import RoleShiftError
from roleshift.serving.pyfunc import conversations_of

HI = [{"role": "user", "content": "hi"}]
SYSTEM = [{"role": "system", "content": "be brief"}, *HI]


@pytest.mark.parametrize(
    ("model_input", "expected"),
    [
        ("hi", [HI]),
        (["hi", "hi"], [HI, HI]),
        (np.array(["hi"]), [HI]),
        (pd.Series(["hi"]), [HI]),
        (SYSTEM, [SYSTEM]),
        ([SYSTEM, HI], [SYSTEM, HI]),
        ({"messages": SYSTEM}, [SYSTEM]),
        ({"messages": [SYSTEM, HI]}, [SYSTEM, HI]),
        ([{"messages": SYSTEM}, {"prompt": "hi"}], [SYSTEM, HI]),
        ({"prompt": "hi"}, [HI]),
        ({"prompt": ["hi", "hi"]}, [HI, HI]),
        (pd.DataFrame({"prompt": ["hi", "hi"]}), [HI, HI]),
        (pd.DataFrame({"messages": [SYSTEM, None], "prompt": [None, "hi"]}), [SYSTEM, HI]),
        (pd.DataFrame({"messages": ['[{"role": "user", "content": "hi"}]']}), [HI]),
        (pd.DataFrame(["hi"]), [HI]),
        ([], []),
    ],
)
def test_every_form_of_input_becomes_conversations(model_input, expected):
    assert conversations_of(model_input) == expected


@pytest.mark.parametrize(
    ("model_input", "message"),
    [
        (3, "takes strings, chat messages or a data frame, not int"),
        ([3], "'3' is neither a string nor chat messages"),
        ([[{"role": "user"}]], "neither a string nor chat messages"),
        ({"messages": []}, "neither a string nor chat messages"),
        (pd.DataFrame({"a": [1], "b": [2]}), "needs a column `prompt` or `messages`, this one has a, b"),
        (pd.DataFrame({"messages": ["not json"]}), "not JSON"),
    ],
)
def test_another_form_is_refused_in_one_line(model_input, message):
    with pytest.raises(RoleShiftError, match=message):
        conversations_of(model_input)
