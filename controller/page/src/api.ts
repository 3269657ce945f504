// Requests to the API. A refusal is an ApiError with the word and the sentence that the API gave.

import type { Problem, Session } from "./model";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

async function answer(response: Response): Promise<Response> {
  if (response.ok) return response;
  let problem: Problem = { reason: "HTTP" + response.status, message: response.statusText };
  try {
    problem = (await response.json()) as Problem;
  } catch {
    // A proxy's page, not the API's: the code must do.
  }
  throw new ApiError(response.status, problem.reason, problem.message);
}

async function request(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch("/api/v1" + path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "Unreachable", "");
  }
  return answer(response);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, { signal: signal ?? null })).json() as Promise<T>;
}

export async function signIn(token: string): Promise<Session> {
  const body = JSON.stringify({ token });
  const headers = { "Content-Type": "application/json" };
  return (await request("/session", { method: "POST", headers, body })).json() as Promise<Session>;
}

export async function signOut(): Promise<void> {
  await request("/session", { method: "DELETE" });
}
