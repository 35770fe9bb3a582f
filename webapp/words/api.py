"""What the API, pictures and imports refuse, in words."""

TEXTS = {
    # Any request of the API
    "api.missing": ("Le champ « {field} » manque.", "The field “{field}” is missing."),
    "api.extra_forbidden": ("Le champ « {field} » est inconnu.", "The field “{field}” is unknown."),
    "api.invalid": ("Le champ « {field} » n'est pas valable ({kind}).", "The field “{field}” is not valid ({kind})."),
    "error.not_json": ("Le corps de la demande n'est pas du JSON.", "The body of the request is not JSON."),
    "error.bad_request": ("La demande est illisible.", "The request cannot be read."),
    "error.media_type": (
        "Envoyez du JSON ou un formulaire (multipart/form-data).",
        "Send JSON or a form (multipart/form-data).",
    ),
    "error.no_such_route": ("Cette adresse n'existe pas.", "There is no such address."),
    "error.method_not_allowed": ("Cette adresse ne connaît pas cette méthode.", "This address knows no such method."),
    "error.database_down": (
        "La base de données ne répond pas. Réessayez dans un instant.",
        "The database does not answer. Try again in a moment.",
    ),
    "error.service_down": (
        "Le service de classement ne répond pas. Réessayez dans un instant.",
        "The prediction service does not answer. Try again in a moment.",
    ),
    "error.busy": (
        "Trop de demandes à la fois. Réessayez dans un instant.",
        "Too many requests at once. Try again in a moment.",
    ),
    "error.overloaded": (
        "Le service de classement a trop à faire. Réessayez dans un instant.",
        "The prediction service has too much to do. Try again in a moment.",
    ),
    "error.nothing_to_classify": (
        "Donnez un titre, une description ou une image.",
        "Give a title, a description or a picture.",
    ),
    "error.not_classifiable": (
        "Le service de classement refuse ce produit.",
        "The prediction service refuses this product.",
    ),
    # Pictures
    "error.bad_picture": (
        "Ce fichier n'est pas une image utilisable (JPEG, PNG, WebP, GIF, BMP ou TIFF), ou elle est abîmée.",
        "This file is no usable picture (JPEG, PNG, WebP, GIF, BMP or TIFF), or it is damaged.",
    ),
    "error.picture_too_large": ("L'image dépasse {most} Mo.", "The picture is larger than {most} MB."),
    "error.not_base64": (
        "L'image n'est pas en base64 : envoyez le contenu du fichier, ni son chemin ni son adresse.",
        "The image is not base64: send what is in the file, neither its path nor its address.",
    ),
    "error.picture_lost": (
        "L'image enregistrée est introuvable. Envoyez-la de nouveau.",
        "The stored picture cannot be found. Send it again.",
    ),
    # Imports as a whole
    "error.import_csv_missing": (
        "Envoyez un fichier CSV dans le champ « csv », et l'archive ZIP dans le champ « images ».",
        "Send a CSV file in the field “csv”, and the ZIP archive in the field “images”.",
    ),
    "error.import_csv_too_large": ("Le fichier CSV dépasse {most} Mo.", "The CSV file is larger than {most} MB."),
    "error.import_not_utf8": (
        "Le fichier CSV n'est pas en UTF-8. Dans un tableur, choisissez « CSV UTF-8 » à l'enregistrement.",
        "The CSV file is not UTF-8. In a spreadsheet program, save it as “CSV UTF-8”.",
    ),
    "error.import_not_csv": (
        "Ce fichier n'est pas un CSV lisible : un guillemet n'est peut-être pas fermé.",
        "This file is no readable CSV: perhaps a quotation mark is not closed.",
    ),
    "error.import_columns": (
        "La première ligne du CSV doit nommer les colonnes : {columns}. Seule « designation » est obligatoire.",
        "The first line of the CSV must name the columns: {columns}. Only “designation” is required.",
    ),
    "error.import_empty": ("Le fichier CSV n'a aucune ligne.", "The CSV file has no lines."),
    "error.import_too_many": (
        "Le fichier a {count} lignes ; un import en prend {most} au plus.",
        "The file has {count} lines; an import takes at most {most}.",
    ),
    "error.import_zip_too_large": ("L'archive ZIP dépasse {most} Mo.", "The ZIP archive is larger than {most} MB."),
    "error.import_not_zip": (
        "Cette archive n'est pas un ZIP lisible.",
        "This archive is no readable ZIP.",
    ),
    "error.import_zip_members": (
        "L'archive ZIP contient plus de {most} fichiers.",
        "The ZIP archive holds more than {most} files.",
    ),
    "error.import_zip_bomb": (
        "L'archive ZIP se décompresserait en un volume démesuré.",
        "The ZIP archive would unpack to far too much.",
    ),
    "error.import_files_gone": (
        "Les fichiers de l'import sont introuvables. Envoyez-les de nouveau.",
        "The files of the import cannot be found. Send them again.",
    ),
    "error.import_not_found": ("Cet import est introuvable.", "This import was not found."),
    # Lines of imports
    "error.line_fields": (
        "La ligne n'a pas autant de champs qu'il y a de colonnes.",
        "The line has not as many fields as there are columns.",
    ),
    "error.picture_missing": (
        "L'archive ne contient pas l'image « {name} ».",
        "The archive does not hold the picture “{name}”.",
    ),
    "error.picture_unsafe": (
        "L'image « {name} » est refusée : son entrée dans l'archive mène ailleurs ou ne peut être lue sans risque.",
        "The picture “{name}” is refused: its entry in the archive leads elsewhere, or cannot be read safely.",
    ),
}
