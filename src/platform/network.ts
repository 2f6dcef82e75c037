/**
 * The network as the rest of the program sees it: a seam for requests to others.
 */

/** Requests that share connections, over HTTP/1.1. Proxies and certificate authorities are those of the environment. */
export interface HttpClient extends Disposable {
  /** As the web's `fetch`. */
  request(url: string, request: RequestInit): Promise<Response>;
  /** Closes what is kept open for the next request. Requests under way are the caller's to abort first. */
  close(): void;
}

export interface Network {
  openHttpClient(): HttpClient;
}
