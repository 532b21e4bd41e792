"""Embeddings of texts by OpenAI, or by another server with its API. Settings are environment variables."""

import functools
import json
import os

import openai
from hasura import Failure, Rejected, TooManyRequests, setting
from langchain_openai import OpenAIEmbeddings

MODEL = os.environ.get("OPENAI_EMBEDDING_MODEL") or "text-embedding-3-small"
DIMENSIONS = 1536  # of the column `embedding`
TIMEOUT = float(os.environ.get("OPENAI_TIMEOUT") or 15)  # seconds


async def embed(text: str) -> str:
    """Return a text's embedding in pgvector's format; raises Failure, or Rejected if OpenAI refuses the text."""
    try:
        return json.dumps(await _client().aembed_query(text))
    except openai.RateLimitError as error:
        pause = error.response.headers.get("Retry-After", "")
        seconds = max(1, int(pause)) if pause.isdecimal() else 10
        raise TooManyRequests("OpenAI takes no more requests for now", seconds) from None
    except openai.BadRequestError as error:
        raise Rejected(f"OpenAI refuses the text: {error.message}") from None
    except openai.AuthenticationError:  # its message contains parts of the key
        raise Failure("OpenAI refuses the key in OPENAI_API_KEY") from None
    except (openai.OpenAIError, ValueError, AttributeError) as error:  # the last two: the server is not OpenAI
        raise Failure(f"OpenAI gives no embedding: {type(error).__name__}: {error}") from None


@functools.cache
def _client() -> OpenAIEmbeddings:
    """Return the shared client; raises Failure without a key. It does not retry: Hasura delivers events again."""
    return OpenAIEmbeddings(
        api_key=setting("OPENAI_API_KEY"),
        model=MODEL,
        dimensions=DIMENSIONS,
        timeout=TIMEOUT,
        max_retries=0,
        check_embedding_ctx_length=False,  # the check would download a tokenizer
    )
