// An extension of JupyterLab and Notebook 7: a double click on server.py opens a notebook.
//
// Written as their loader expects it (a container of module federation), as there is nothing to build:
// https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html
(() => {
  const plugin = {
    id: "notebook-api:text-notebook",
    autoStart: true,
    activate: (app) => {
      const type = {
        name: "server.py",
        displayName: "Notebook as text",
        pattern: "^server\\.py$",
        extensions: [],
        mimeTypes: ["text/x-python"],
        contentType: "notebook",
        fileFormat: "json",
      };
      app.docRegistry.addFileType(type, ["Notebook"]);
    },
  };
  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["notebook-api"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
