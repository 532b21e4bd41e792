"""Answers of a language model by OpenAI, or by another server with its API. Settings are environment variables.

This file is the same in each project.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import openai
from hasura import ANSWER_TIMEOUT, Failure, TooManyRequests, setting
from langchain_core.exceptions import OutputParserException
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIRefusalError
from pydantic import BaseModel, ValidationError

MODEL = os.environ.get("OPENAI_MODEL") or "gpt-5.4-mini"

Form = TypeVar("Form", bound=BaseModel)


async def complete(instructions: str, text: str) -> str:
    """Return the model's answer as text; raises Failure."""
    with _failures():
        answer = (await _client().ainvoke([("system", instructions), ("human", text)])).text
    if not answer.strip():
        raise Failure("the model said nothing")
    return answer


async def fill(form: type[Form], instructions: str, text: str) -> Form:
    """Return the model's answer as a `form`, which is the schema of its output; raises Failure if it does not fit."""
    with _failures():
        return await _client().with_structured_output(form).ainvoke([("system", instructions), ("human", text)])


@functools.cache
def _client() -> ChatOpenAI:
    """Return the shared client; raises Failure without a key."""
    return ChatOpenAI(model=MODEL, api_key=setting("OPENAI_API_KEY"), timeout=ANSWER_TIMEOUT, max_retries=1)


@contextmanager
def _failures() -> Iterator[None]:
    """Raise a Failure that says what to do. OpenAI's own messages may contain parts of the key."""
    check = "check OPENAI_BASE_URL and OPENAI_MODEL"
    try:
        yield
    except openai.RateLimitError:
        problem = "the model refuses: too many requests, or the quota is used up. Ask again later"
        raise TooManyRequests(problem) from None
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        raise Failure("the model refuses the key: check OPENAI_API_KEY") from None
    except openai.APITimeoutError:
        raise Failure("the model gives no answer in time. Ask again later") from None
    except (OpenAIRefusalError, OutputParserException) as error:
        raise Failure(f"the model's answer cannot be used: {error}") from None
    except openai.OpenAIError as error:
        raise Failure(f"the model failed ({type(error).__name__}): {check}") from None
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, p['loc'])) or 'all of it'}: {p['msg']}" for p in error.errors())
        raise Failure("the model's answer does not fit: " + "; ".join(problems)) from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # the response has another format
        raise Failure(f"the model's answer cannot be read ({type(error).__name__}): {check}") from None
