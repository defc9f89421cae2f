"""The docker testbed: clusters and Connect as containers of published or local images (extra `[docker]`)."""
