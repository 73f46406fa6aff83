"""Pictures and files of answers, from the upstream to whoever follows their links."""

import re

from tests.conftest import StartGateway

LINK = re.compile(r"http://[^\s)]+")


async def test_links_that_expire_are_signed_in_text_and_data(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo, files={"link_seconds": 60})
    for question, field in (("draw two boats", "x_images"), ("make report.csv", "x_files")):
        reply = await gateway.chat(question)
        links = [*LINK.findall(reply.text), *(one["url"] for one in reply.json[field])]
        assert len(links) >= 2
        assert len(set(links)) == 1
        for link, status in ((links[0], 200), (links[0].partition("?")[0], 404)):
            async with gateway.session.get(link) as response:
                assert response.status == status
