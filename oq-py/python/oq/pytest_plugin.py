"""The fixture ``oq_test``, for users' tests."""
