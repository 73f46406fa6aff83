"""A server of the Model Context Protocol with one tool, which coding agents are given."""

from mcp.server import MCPServer

server = MCPServer("weather")


@server.tool()
def get_weather(city: str) -> str:
    """The weather of a city, now."""
    return f"{city}: 19 degrees, windy"


if __name__ == "__main__":
    server.run()
