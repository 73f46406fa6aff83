"""The upstream that speaks the website's protocol."""
