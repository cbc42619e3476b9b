"""What a text of several URLs may not be."""

import pytest

from triton_deploy_core.errors import InvalidSettingError
from triton_deploy_transport.directory import open_directory


@pytest.mark.parametrize("urls", ["a:8000,", ",a:8000", "grpc://a:8001, ,b:8000"])
def test_a_comma_without_a_server_is_named_with_all_of_the_text(urls):
    with pytest.raises(InvalidSettingError, match=f"'{urls}' .* leave that comma out"):
        open_directory(urls)


def test_no_password_is_in_the_message():
    with pytest.raises(InvalidSettingError) as caught:
        open_directory("http://user:hidden@a:8000,")
    assert "hidden" not in str(caught.value)
