from service.stages.translate.growth import Growth


def test_each_text_gives_what_it_adds() -> None:
    growth = Growth()
    assert [growth.replace(text) for text in ("", "He", "He", "Hello")] == ["", "He", "", "llo"]
    assert growth.rewrites == 0


def test_appended_and_whole_texts_may_alternate() -> None:
    growth = Growth()
    assert growth.replace("He") == "He"
    assert growth.append("ll") == "ll"
    assert growth.append("o") == "o"
    assert growth.replace("Hello!") == "!"
    assert growth.append("!") == "!"
    assert growth.replace("Hello!!") == ""


def test_a_text_that_turns_into_another_gives_what_follows_the_common_beginning() -> None:
    growth = Growth()
    assert growth.replace("Hello wrld") == "Hello wrld"
    assert growth.replace("Hello world") == "orld"
    assert growth.replace("Hello world!") == "!"
    assert growth.rewrites == 1


def test_a_replay_gives_nothing_until_it_has_caught_up() -> None:
    growth = Growth()
    growth.replace("Hello")
    assert growth.replace("") == ""
    assert [growth.append(text) for text in ("Hel", "lo", " you")] == ["", "", " you"]
    assert growth.append("!") == "!"
    assert growth.rewrites == 0


def test_a_cut_back_text_that_goes_on_differently_is_a_rewrite() -> None:
    growth = Growth()
    growth.replace("abc def")
    assert growth.replace("abc ") == ""
    assert growth.append("xyz") == "xyz"
    assert growth.rewrites == 1


def test_half_a_character_waits_for_the_other_half() -> None:
    growth = Growth()
    assert growth.append("a\ud83d") == "a"
    assert growth.append("\ude00b") == "😀b"
    assert growth.replace("a😀bc\ud83d") == "c"
    assert growth.append("\ude00") == "😀"
    assert growth.rewrites == 0


def test_half_a_character_that_stays_alone_comes_with_the_last_text() -> None:
    growth = Growth()
    assert growth.replace("a\ud83d") == "a"
    assert growth.replace("a\ud83d", is_final=True) == "\ud83d"


def test_half_a_character_that_stays_alone_is_the_rest_unless_its_other_half_comes() -> None:
    growth = Growth()
    growth.replace("a\ud83d")
    assert (growth.rest(), growth.rest(), growth.text) == ("\ud83d", "", "a\ud83d")
    growth.replace("a\ud83db\ud83d")
    assert growth.append("\ude00") == "😀"
    assert growth.rest() == ""


def test_a_replay_piece_by_piece_gives_what_goes_beyond_it_and_a_change_is_a_rewrite() -> None:
    growth = Growth()
    growth.replace("Hello you")
    growth.replace("")
    assert [growth.append(text) for text in ("Hell", "o y", "ou and")] == ["", "", " and"]
    assert growth.is_level
    growth.replace("Hello you")
    assert growth.append(" or") == "or"
    assert (growth.rewrites, growth.text) == (1, "Hello you or")
    assert growth.append("!") == "!"
    assert growth.text == "Hello you or!"


def test_half_a_character_within_a_replay() -> None:
    growth = Growth()
    growth.replace("a😀b")
    growth.replace("")
    assert [growth.append(text) for text in ("a\ud83d", "\ude00", "bc")] == ["", "", "c"]
    assert growth.rewrites == 0
