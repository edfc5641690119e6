"""The functions of the chapter linear_algebra."""
